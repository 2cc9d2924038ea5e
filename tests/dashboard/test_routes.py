"""What the page is served, and to whom."""

import base64
import re
from collections.abc import Callable
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import httpx
import pytest

from mpcsfaas.gateway.auth.keys import Scope
from mpcsfaas.model import Failure, FailureKind
from mpcsfaas.testing.gateway import GatewayThread, HandDispatcher
from mpcsfaas_dashboard.catalogue import LISTED
from mpcsfaas_serializers.dill import DillSerializer

BROWSER = {"Accept": "text/html,application/xhtml+xml"}
BROKEN = Failure(FailureKind.EXCEPTION, "no " * 200, "ValueError", "Traceback …")


@pytest.fixture
def key_of(new_key: Callable[..., str]) -> Callable[..., dict[str, str]]:
    """Makes a key of a tenant with scopes, and gives the header to send."""
    return lambda tenant, *scopes: {"Authorization": f"Bearer {new_key(tenant, *scopes)}"}


def register(api: httpx.Client, name: str, headers: dict[str, str] | None = None) -> str:
    payload = DillSerializer().dumps(len)
    answer = api.post(
        "/v1/functions",
        json={"name": name, "payload": base64.b64encode(payload).decode()},
        headers=headers,
    )
    return str(answer.json()["id"])


def submit(api: httpx.Client, function_id: str, headers: dict[str, str] | None = None) -> str:
    answer = api.post("/v1/tasks", json={"function_id": function_id, "args": []}, headers=headers)
    assert answer.status_code == 202
    return str(answer.json()["id"])


def look(api: httpx.Client, headers: dict[str, str] | None = None) -> dict[str, Any]:
    answer = api.get("/v1/dashboard", headers=headers)
    assert answer.status_code == 200, answer.text
    return dict(answer.json()["look"])


def test_browsers_get_the_page_and_others_what_they_always_got(api: httpx.Client) -> None:
    page = api.get("/", headers=BROWSER)
    assert page.headers["content-type"].startswith("text/html")
    assert "/assets/dashboard/app.js" in page.text
    assert api.get("/").json()["documentation"] == "/docs"


def test_the_page_is_made_of_files_of_this_gateway_alone(api: httpx.Client) -> None:
    for path in ("app.js", "style.css", "vendor/lit-html.js", "vendor/chart.umd.min.js", "icon.svg"):
        answer = api.get(f"/assets/dashboard/{path}")
        assert answer.status_code == 200
        assert answer.headers["x-content-type-options"] == "nosniff"
    assert api.get("/assets/dashboard/routes.py").status_code == 404
    assert api.get("/assets/dashboard/../routes.py").status_code == 404


def test_files_that_a_browser_has_are_not_sent_again(api: httpx.Client) -> None:
    tag = api.get("/assets/dashboard/app.js").headers["etag"]
    again = api.get("/assets/dashboard/app.js", headers={"If-None-Match": tag})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("path", ["/", "/v1/dashboard", "/assets/dashboard/app.js"])
def test_no_other_site_may_frame_or_embed_it(api: httpx.Client, path: str) -> None:
    headers = api.get(path, headers=BROWSER).headers
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "script-src 'self'" in headers["content-security-policy"]
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert "access-control-allow-origin" not in headers


@pytest.mark.parametrize("path", ["/", "/v1/dashboard", "/assets/dashboard/app.js"])
def test_another_host_name_is_refused(api: httpx.Client, path: str) -> None:
    assert api.get(path, headers=BROWSER | {"Host": "evil.example"}).status_code == 421


def test_what_there_is(gateway: GatewayThread, api: httpx.Client) -> None:
    function_id = register(api, "measure")
    first, second, third, fourth = (submit(api, function_id) for _ in range(4))
    dispatcher = HandDispatcher(gateway)
    done, failed, _running = dispatcher.claim(3)
    dispatcher.complete([done], b"1")
    dispatcher.fail([failed], BROKEN)
    seen = look(api)
    assert seen["depth"] | {"oldest_queued_at": 0} == {
        "queued": 1,
        "running": 1,
        "is_bound": False,
        "oldest_queued_at": 0,
    }
    assert [row["id"] for row in seen["running"]] == [third]
    assert [row["id"] for row in seen["queued"]] == [fourth]
    assert [row["id"] for row in seen["latest"]] == [fourth, third, second, first]
    assert {row["function"] for row in seen["latest"]} == {"measure"}
    (row,) = seen["failed"]
    assert row["id"] == second
    assert row["failure"]["type"] == "ValueError"
    assert len(row["failure"]["message"]) == 300
    assert "traceback" not in row["failure"]
    (function,) = seen["functions"]
    assert (function["name"], function["figures"]["ended"], function["figures"]["failed"]) == ("measure", 2, 1)
    assert sum(seen["series"]["completed"]) == sum(seen["series"]["failed"]) == 1 / seen["series"]["slot"]
    assert seen["latency"]["p50"] is not None
    assert seen["dispatchers"] == []


def test_a_tenant_sees_its_own_alone(
    gateway: GatewayThread, api: httpx.Client, key_of: Callable[..., dict[str, str]]
) -> None:
    acme = key_of("acme", Scope.READ, Scope.REGISTER, Scope.EXECUTE)
    other = key_of("other", Scope.READ, Scope.REGISTER, Scope.EXECUTE)
    task = submit(api, register(api, "secret", acme), acme)
    dispatcher = HandDispatcher(gateway)
    dispatcher.fail(dispatcher.claim(), BROKEN)
    waiting = submit(api, register(api, "secret", acme), acme)
    seen, hidden = look(api, acme), look(api, other)
    assert [row["id"] for row in seen["failed"]] == [task]
    assert [row["id"] for row in seen["queued"]] == [waiting]
    assert seen["depth"]["queued"] == 1
    assert seen["dispatchers"] is None
    assert not any(hidden[name] for name in ("running", "queued", "failed", "latest", "functions"))
    assert hidden["depth"]["queued"] == 0
    assert not any(hidden["series"]["failed"])
    assert hidden["latency"]["p50"] is None


def test_a_key_needs_the_scope_read_and_workers_need_admin(
    api: httpx.Client, key_of: Callable[..., dict[str, str]]
) -> None:
    admin, reader, runner = (key_of("acme", scope) for scope in (Scope.ADMIN, Scope.READ, Scope.EXECUTE))
    assert look(api, admin)["dispatchers"] == []
    assert look(api, reader)["dispatchers"] is None
    assert api.get("/v1/dashboard", headers=runner).status_code == 403
    assert api.get("/v1/dashboard").status_code == 401
    assert api.get("/", headers=BROWSER).status_code == 200
    viewer = api.get("/v1/dashboard", headers=reader).json()["viewer"]
    assert (viewer["tenant"], viewer["scopes"]) == ("acme", ["read"])


def test_nothing_but_files_of_the_page_is_below_what_everybody_may_read(gateway: GatewayThread) -> None:
    connection = HTTPConnection("127.0.0.1", gateway.port)
    for path in (
        "/assets/../v1/tasks",
        "/assets/dashboard/../../v1/tasks",
        "/assets/dashboard/%2e%2e/routes.py",
        "/assets/",
    ):
        connection.request("GET", path)  # A client like httpx would resolve the dots itself.
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 404, path
    connection.close()


def test_the_documentation_names_the_versions_of_the_libraries(api: httpx.Client) -> None:
    documented = (Path(__file__).parents[2] / "docs" / "dashboard.md").read_text()
    chart = re.search(r"Chart.js v([\d.]+)", api.get("/assets/dashboard/vendor/chart.umd.min.js").text)
    lit = re.search(
        r'litHtmlVersions\?\?=\[\]\)\.push\("([\d.]+)"\)', api.get("/assets/dashboard/vendor/lit-html.js").text
    )
    assert chart is not None
    assert lit is not None
    assert f"chart.js {chart[1]} " in documented
    assert f"lit-html {lit[1]} " in documented


def test_functions_that_are_busy_are_shown_however_many_others_there_are(
    gateway: GatewayThread, api: httpx.Client
) -> None:
    ids = {register(api, f"function {number}") for number in range(LISTED + 20)}
    for function_id in ids:
        submit(api, function_id)
    dispatcher = HandDispatcher(gateway)
    dispatcher.complete(dispatcher.claim(), b"1")
    first = look(api)
    assert not first["functions_are_all"]
    assert {row["id"] for row in first["functions"]} == ids
    assert all(row["function"] for row in first["latest"])


def test_a_function_that_was_deleted_keeps_its_name(gateway: GatewayThread, api: httpx.Client) -> None:
    function_id = register(api, "gone")
    submit(api, function_id)
    assert api.delete(f"/v1/functions/{function_id}").status_code == 204
    seen = look(api)
    assert [row["function"] for row in seen["queued"]] == ["gone"]
    assert seen["functions"] == []
