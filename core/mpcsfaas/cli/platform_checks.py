"""The checks of `mpcsfaas doctor` that concern plugins, the storage and the gateway."""

import asyncio
import platform
import time
from collections.abc import Iterator, Sequence
from email.utils import parsedate_to_datetime
from http import HTTPStatus

import msgspec

import mpcsfaas
from mpcsfaas.cli.findings import Finding, fail, ok, warn
from mpcsfaas.cli.gateway import Address, tasks_page
from mpcsfaas.cli.rendering import duration
from mpcsfaas.client import Client
from mpcsfaas.client.errors import AccessDenied, GatewayError, GatewayUnavailable
from mpcsfaas.client.exchange import Response, decode, error_of, get
from mpcsfaas.client.operations import Operation
from mpcsfaas.client.records import Worker
from mpcsfaas.errors import MpcsfaasError
from mpcsfaas.model import State
from mpcsfaas.plugins import Plugins, catalogue
from mpcsfaas.settings import Configuration

PATIENCE = 5.0
CLOCK_SKEW = 2.0
LOOKED_AT = 1000
"""Queued tasks whose labels are looked at: the newest."""
KEY_NEEDED = "Set MPCSFAAS_API_KEY to a key that is valid there. Who runs it makes one: mpcsfaas keys create"
SCOPE_NEEDED = "Set MPCSFAAS_API_KEY to a key with the scope. Who runs it makes one: mpcsfaas keys create --scope read"
START_WORKERS = (
    "Start some: mpcsfaas worker --plugin push --url tcp://DISPATCHER:5555; or wait until they have registered."
)


class Welcome(msgspec.Struct, frozen=True):
    """How a gateway introduces itself."""

    version: str


def check_plugins() -> Finding:
    """Every installed plugin can be loaded."""
    infos = catalogue()
    broken = [info for info in infos if info.reason]
    if broken:
        names = ", ".join(info.name for info in broken)
        return warn("plugins", f"broken: {names}. {broken[0].reason}", "Repair or uninstall it: mpcsfaas plugins check")
    return ok("plugins", ", ".join(info.name for info in infos))


def check_storage(configuration: Configuration) -> Finding:
    """The storage opens and answers."""
    url = configuration.settings.storage
    try:
        count = asyncio.run(_count_tasks(configuration))
    except TimeoutError:
        return fail("storage", f"{url} does not answer within {PATIENCE:g} s", "See whether it runs, or is locked.")
    except MpcsfaasError as error:
        return fail("storage", f"{url}: {error}", "Correct --storage (MPCSFAAS_STORAGE), or start what it names.")
    return ok("storage", f"{url} opens; {count} tasks wait or run")


async def _count_tasks(configuration: Configuration) -> int:
    plugins = Plugins.select(configuration.settings.plugins, configuration.options)
    storage = plugins.storage(configuration.settings.storage)
    async with asyncio.timeout(PATIENCE):
        await storage.open()
        try:
            counts = await storage.statistics()
        finally:
            await storage.close()
    return counts.queued + counts.running


def check_gateway(address: Address) -> Iterator[Finding]:
    """The gateway answers, is ready, and is of our version and time."""
    try:
        with Client(address.url, timeout=PATIENCE, key=address.key) as client:
            yield from _questions(client)
    except ValueError as error:
        yield fail("gateway", str(error), "Correct --url, or MPCSFAAS_URL.")
    except GatewayUnavailable as error:
        fix = "Start one: mpcsfaas up"
        yield fail("gateway", str(error), fix) if address.chosen else warn("gateway", "no platform is running", fix)
    except GatewayError as error:
        yield fail("gateway", f"{address.url}: {error}", "Pass the --url of an mpcsfaas gateway, or set MPCSFAAS_URL.")


def _questions(client: Client) -> Iterator[Finding]:
    welcome = decode(client.connection.perform(_ask("/")), Welcome)
    asked = time.perf_counter()
    health = client.connection.send(get("/healthz"), PATIENCE)
    yield ok("gateway", f"{client.url} answers in {duration(time.perf_counter() - asked)}")
    yield _version(welcome.version)
    yield _clock(health.headers.get("Date"))
    yield _readiness(client.connection.perform(_ask("/readyz")))
    yield from _access(client)


def _ask(path: str) -> Operation[Response]:
    return (yield get(path))


def _clock(date: str | None) -> Finding:
    """To a second, as HTTP tells the time."""
    if date is None:
        return warn("time", "the gateway does not tell its time", "Compare the clocks of the two machines yourself.")
    ahead = parsedate_to_datetime(date).timestamp() - time.time()
    if abs(ahead) > CLOCK_SKEW:
        detail = f"the gateway's clock is {abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} ours"
        return warn("time", detail, "Keep both machines' clocks right, as by NTP.")
    return ok("time", "the gateway's clock is as ours")


def _version(theirs: str) -> Finding:
    if theirs != mpcsfaas.__version__:
        fix = "Install the same version on both sides."
        return warn("versions", f"the gateway's is {theirs}, ours {mpcsfaas.__version__}", fix)
    return ok("versions", f"the gateway's is ours, {theirs}")


def _readiness(response: Response) -> Finding:
    if response.status != 200:
        return fail("readiness", str(error_of(response)), "Start a dispatcher on the same storage: mpcsfaas dispatcher")
    return ok("readiness", "a dispatcher consumes tasks")


def _access(client: Client) -> Iterator[Finding]:
    """Whether the gateway lets us in; what it shows us, if it does."""
    try:
        client.stats()
    except AccessDenied as error:
        yield fail("access", str(error), KEY_NEEDED if error.status == HTTPStatus.UNAUTHORIZED else SCOPE_NEEDED)
        return
    try:
        dispatchers = client.workers()
    except AccessDenied:
        yield ok("access", "as a tenant: workers are not examined, as that needs a key with the scope admin")
        return
    yield ok("access", "to the platform as a whole")
    workers = [worker for dispatcher in dispatchers for worker in dispatcher.workers]
    yield _workers(workers)
    queued = client.connection.perform(tasks_page(client.session, State.QUEUED, None, None, LOOKED_AT, None))
    yield compare_labels(workers, [task.options.labels for task in queued.items])


def _workers(workers: Sequence[Worker]) -> Finding:
    if not workers:
        return warn("workers", "none: tasks will wait", START_WORKERS)
    return compare_pythons(workers, ".".join(platform.python_version_tuple()[:2]))


def compare_labels(workers: Sequence[Worker], demands: Sequence[Sequence[str]]) -> Finding:
    """A task waits for a worker that has all labels that it demands."""
    offers = [frozenset(worker.labels) for worker in workers]
    unmet = sorted({tuple(labels) for labels in demands if labels and not any(set(labels) <= one for one in offers)})
    if unmet:
        wanted = " and ".join(",".join(labels) for labels in unmet)
        fix = f"Start one that has them: mpcsfaas worker --labels {','.join(unmet[0])} …"
        return warn("labels", f"queued tasks demand {wanted}, which no worker has together", fix)
    return ok("labels", "some worker has those that each queued task demands")


def compare_pythons(workers: Sequence[Worker], ours: str) -> Finding:
    """Pickled functions need the Python that wrote them, as far as its first two numbers."""
    pythons = sorted({worker.python_version for worker in workers})
    found = f"{len(workers)} with {sum(worker.slots for worker in workers)} processes, Python {', '.join(pythons)}"
    if any(python.split(".")[:2] != ours.split(".") for python in pythons):
        fix = "Run workers and clients on the same minor version of Python."
        return warn("workers", f"{found}; ours is {ours}", fix)
    return ok("workers", found)
