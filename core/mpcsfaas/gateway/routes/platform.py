"""The platform itself: who answers, who works, how much there is."""

import asyncio

from fastapi import Request, Response
from starlette.responses import HTMLResponse

from mpcsfaas import __version__
from mpcsfaas.gateway import problems
from mpcsfaas.gateway.bodies import JSON, respond
from mpcsfaas.gateway.context import Page, gateway_of
from mpcsfaas.gateway.counting import StatisticsAnswer
from mpcsfaas.gateway.openapi import READ_ERRORS, answer, errors
from mpcsfaas.gateway.routing import subject_router
from mpcsfaas.gateway.schemas import DispatcherAnswer, HealthAnswer, ReadyAnswer, WelcomeAnswer, WorkersAnswer

STORAGE_PATIENCE = 5.0

WELCOME = WelcomeAnswer("MPCSFaaS: Function-as-a-Service", __version__, "/docs", "/openapi.json")
WELCOME_PAGE = f"""<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>MPCSFaaS</title></head>
<body style="font: 1.1rem/1.5 system-ui, sans-serif; max-width: 40rem; margin: 4rem auto; padding: 0 1rem">
<h1>MPCSFaaS</h1>
<p>A Function-as-a-Service platform: register a Python function, execute it on workers, fetch the result.</p>
<p>See the <a href="/docs">API documentation</a>, the <a href="/v1/workers">workers</a>
and the <a href="/v1/stats">statistics</a>.</p>
<p><small>mpcsfaas {__version__}</small></p>
</body>
</html>
"""

router = subject_router("platform")


async def welcome_page(_: Request) -> Response:
    """Say what this is, to a person."""
    return HTMLResponse(WELCOME_PAGE)


@router.get(
    "/",
    responses={
        200: answer(WelcomeAnswer, "What answers here; a page for browsers.", [JSON]),
        **errors(421, 500),
    },
)
async def welcome(request: Request) -> Response:
    """Say what this is."""
    if "text/html" in request.headers.get("accept", ""):
        page: Page = request.app.state.page
        return await page(request)
    return respond(request, WELCOME)


@router.get("/healthz", responses={200: answer(HealthAnswer, "The process serves."), **errors(421, 500)})
async def get_health(request: Request) -> Response:
    """Tell that the process serves."""
    return respond(request, HealthAnswer("ok"))


@router.get(
    "/readyz",
    responses={
        200: answer(ReadyAnswer, "Tasks are being worked on."),
        **errors(421, 500, 503),
    },
)
async def get_readiness(request: Request) -> Response:
    """Tell whether storage answers and a dispatcher consumes."""
    try:
        async with asyncio.timeout(STORAGE_PATIENCE):
            dispatchers = await gateway_of(request).storage.dispatchers()
    except TimeoutError:
        raise problems.unavailable(f"The storage did not answer within {STORAGE_PATIENCE:g} s.") from None
    if not dispatchers:
        raise problems.unavailable("No dispatcher is consuming tasks; start one with `mpcsfaas dispatcher`.")
    return respond(request, ReadyAnswer("ready", len(dispatchers)))


@router.get(
    "/v1/workers",
    responses={
        200: answer(WorkersAnswer, "Who works."),
        **errors(*READ_ERRORS),
    },
)
async def list_workers(request: Request) -> Response:
    """List the dispatchers that are alive, and their workers."""
    infos = await gateway_of(request).storage.dispatchers()
    return respond(request, WorkersAnswer([DispatcherAnswer.of(info) for info in infos]))


@router.get(
    "/v1/stats",
    responses={200: answer(StatisticsAnswer, "Counts at this moment."), **errors(*READ_ERRORS)},
)
async def get_statistics(request: Request) -> Response:
    """Count the tasks by state, and the functions; without the scope `admin`, some of those of the key's tenant."""
    return respond(request, await gateway_of(request).counts())
