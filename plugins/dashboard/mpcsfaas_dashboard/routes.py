"""What the page asks for: itself, its files, and what there is to be seen."""

from dataclasses import dataclass

import msgspec
from fastapi import FastAPI, Request, Response
from msgspec import Raw, Struct
from starlette.exceptions import HTTPException

from mpcsfaas import __version__
from mpcsfaas.gateway.auth import ApiKey
from mpcsfaas.gateway.auth.keys import Scope
from mpcsfaas.gateway.bodies import JSON
from mpcsfaas.gateway.context import gateway_of
from mpcsfaas.interfaces import Storage
from mpcsfaas_dashboard.assets import ROOT, Asset, assets
from mpcsfaas_dashboard.look import Observer
from mpcsfaas_dashboard.sharing import Observers

PAGE = "index.html"
POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ]
)
"""Tasks print and raise what they like: whatever of that a browser might take for a script is none of ours."""
CLOSED = {
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""No other site may frame the page, embed its data, or learn where its reader is."""


class Viewer(Struct, frozen=True):
    """Who looks, as the page shows it. Without a key: all null, and every scope."""

    key: str | None
    tenant: str | None
    scopes: tuple[str, ...]


class Answer(Struct, frozen=True):
    """A look, and who looks."""

    version: str
    viewer: Viewer
    look: Raw


@dataclass(frozen=True)
class Dashboard:
    """The routes, over one storage."""

    storage: Storage
    observers: Observers

    def add_to(self, app: FastAPI) -> None:
        """Add them; browsers get the page at `/`, where others get what they always got."""
        app.state.page = self.page
        app.add_api_route(ROOT + "{name:path}", self.asset, methods=["GET"], include_in_schema=False)
        app.add_api_route("/v1/dashboard", self.look, methods=["GET"], include_in_schema=False)

    async def page(self, request: Request) -> Response:
        """The page."""
        return _sent(request, assets()[PAGE])

    async def asset(self, request: Request, name: str) -> Response:
        """A file of the page."""
        asset = assets().get(name)
        if asset is None:
            raise HTTPException(404)
        return _sent(request, asset)

    async def look(self, request: Request) -> Response:
        """What there is to be seen by the one who asks."""
        gateway = gateway_of(request)
        key: ApiKey | None = request.scope["api_key"]
        sees_platform = key is None or key.grants(Scope.ADMIN)
        shared = self.observers.of(
            (key and key.tenant, sees_platform),
            lambda: Observer(self.storage, gateway.storage, sees_platform=sees_platform),
        )
        answer = Answer(__version__, viewer_of(key), Raw(await shared.look()))
        return Response(msgspec.json.encode(answer), headers=CLOSED | {"Cache-Control": "no-store"}, media_type=JSON)


def viewer_of(key: ApiKey | None) -> Viewer:
    """Who looks."""
    if key is None:
        return Viewer(None, None, tuple(Scope))
    return Viewer(key.id, key.tenant, tuple(scope for scope in Scope if key.grants(scope)))


def _sent(request: Request, asset: Asset) -> Response:
    headers = CLOSED | {"ETag": asset.tag, "Cache-Control": "no-cache"}
    if request.headers.get("if-none-match") == asset.tag:
        return Response(status_code=304, headers=headers)
    return Response(asset.content, headers=headers, media_type=asset.media_type)
