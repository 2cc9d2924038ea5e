"""Keys: who is let in, and what a tenant sees."""

from collections.abc import Callable

import httpx
import pytest
from playwright.sync_api import Page, expect

from mpcsfaas.gateway.auth.keys import USUAL_SCOPES, Scope, split_key
from mpcsfaas.model import Failure, FailureKind
from mpcsfaas.testing.gateway import GatewayThread, HandDispatcher

Opener = Callable[..., Page]
NewKey = Callable[..., str]

REFUSED = "status of 40"
"""Chromium logs every refusal as an error."""
SECRET = Failure(FailureKind.EXCEPTION, "a secret of acme", "ValueError", "Traceback of acme")
FUNCTION = {"name": "measure", "payload": "gASVFAAAAAAAAACMCGJ1aWx0aW5zlIwDYWJzlJOULg=="}
"""`abs`, as dill writes it."""


@pytest.fixture
def failed(gateway: GatewayThread, new_key: NewKey) -> str:
    """A failed task of the tenant acme."""
    key = {"Authorization": f"Bearer {new_key('acme', *USUAL_SCOPES)}"}
    with httpx.Client(base_url=gateway.url, headers=key) as api:
        function = api.post("/v1/functions", json=FUNCTION).json()
        task = api.post("/v1/tasks", json={"function_id": function["id"], "args": [1]}).json()
    dispatcher = HandDispatcher(gateway)
    dispatcher.fail(dispatcher.claim(), SECRET)
    return str(task["id"])


def sign_in(page: Page, key: str) -> None:
    page.get_by_label("API key").fill(key)
    page.get_by_role("button", name="Sign in").click()


def test_tenants_sign_in_and_see_their_own_alone(
    gateway: GatewayThread, failed: str, new_key: NewKey, open_page: Opener
) -> None:
    page = open_page(gateway.url, allowed=REFUSED)
    sign_in(page, new_key("acme", *USUAL_SCOPES))
    failures = page.get_by_role("region", name="Recent failures")
    expect(failures).to_contain_text("a secret of acme")
    expect(page.get_by_text("acme", exact=True)).to_be_visible()
    expect(page.get_by_role("region", name="Workers")).to_have_count(0)
    assert page.context.cookies() == []
    page.reload()
    expect(failures).to_contain_text("a secret of acme")
    page.get_by_role("button", name="Sign out").click()
    sign_in(page, new_key("other", *USUAL_SCOPES))
    expect(failures).to_contain_text("No task has failed.")
    page.goto(f"{gateway.url}/#/tasks/{failed}")
    expect(page.get_by_role("alert")).to_contain_text("not found")
    assert "secret" not in page.content()


def test_a_wrong_key_and_one_without_the_scope(
    gateway: GatewayThread, failed: str, new_key: NewKey, open_page: Opener
) -> None:
    page = open_page(gateway.url, allowed=REFUSED)
    expect(page.get_by_label("API key")).to_be_visible()
    expect(page.get_by_role("alert")).to_have_count(0)
    sign_in(page, "mpcs_0123456789ab_" + "0" * 64)
    expect(page.get_by_role("alert")).to_contain_text("The API key is unknown here")
    sign_in(page, new_key("acme", Scope.EXECUTE))
    expect(page.get_by_role("alert")).to_contain_text("This needs the scope read")


def test_who_may_only_read_gets_no_buttons(
    gateway: GatewayThread, failed: str, new_key: NewKey, open_page: Opener
) -> None:
    page = open_page(gateway.url, allowed=REFUSED)
    sign_in(page, new_key("acme", Scope.READ))
    page.get_by_role("region", name="Recent failures").get_by_role("link").click()
    panel = page.get_by_role("complementary", name="Task")
    expect(panel).to_contain_text("Traceback of acme")
    expect(panel.get_by_role("button", name="Retry")).to_have_count(0)


def test_a_revoked_key_ends_at_the_door(
    gateway: GatewayThread, failed: str, new_key: NewKey, open_page: Opener
) -> None:
    key = new_key("acme", *USUAL_SCOPES)
    page = open_page(gateway.url, allowed=REFUSED)
    sign_in(page, key)
    expect(page.get_by_text("live", exact=True)).to_be_visible()
    parts = split_key(key)
    assert parts is not None
    assert gateway.run(gateway.storage.delete_key(parts[0]))
    expect(page.get_by_role("alert")).to_contain_text("unknown here")
    assert "secret" not in page.content()
