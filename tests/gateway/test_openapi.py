"""The OpenAPI document is valid, and complete enough to write a client from."""

from typing import Any

import pytest
import requests
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

from mpcsfaas.testing.gateway import GatewayThread

Document = dict[str, Any]


@pytest.fixture(scope="module")
def document(gateway: GatewayThread) -> Document:
    return dict(requests.get(f"{gateway.url}/openapi.json", timeout=10).json())


def operations(document: Document) -> list[tuple[str, str, Document]]:
    return [(path, method, operation) for path, item in document["paths"].items() for method, operation in item.items()]


def test_the_document_is_valid(document: Document) -> None:
    validate(document)


def test_every_operation_of_the_contract_is_there_under_the_name_that_generated_clients_know_it_by(
    document: Document,
) -> None:
    assert {operation["operationId"]: (path, method) for path, method, operation in operations(document)} == {
        "welcome": ("/", "get"),
        "classicRegisterFunction": ("/register_function", "post"),
        "classicExecuteFunction": ("/execute_function", "post"),
        "classicGetStatus": ("/status/{task_id}", "get"),
        "classicGetResult": ("/result/{task_id}", "get"),
        "registerFunction": ("/v1/functions", "post"),
        "listFunctions": ("/v1/functions", "get"),
        "getFunction": ("/v1/functions/{function_id}", "get"),
        "deleteFunction": ("/v1/functions/{function_id}", "delete"),
        "submitTask": ("/v1/tasks", "post"),
        "listTasks": ("/v1/tasks", "get"),
        "submitBatch": ("/v1/tasks:batch", "post"),
        "cancelTasks": ("/v1/tasks:cancel", "post"),
        "retryTasks": ("/v1/tasks:retry", "post"),
        "getResults": ("/v1/tasks:results", "post"),
        "getTask": ("/v1/tasks/{task_id}", "get"),
        "cancelTask": ("/v1/tasks/{task_id}", "delete"),
        "getResult": ("/v1/tasks/{task_id}/result", "get"),
        "getLogs": ("/v1/tasks/{task_id}/logs", "get"),
        "streamGroup": ("/v1/groups/{group}/stream", "get"),
        "listWorkers": ("/v1/workers", "get"),
        "getStatistics": ("/v1/stats", "get"),
        "getHealth": ("/healthz", "get"),
        "getReadiness": ("/readyz", "get"),
    }


def test_every_route_documents_its_errors_as_problems(document: Document) -> None:
    for path, method, operation in operations(document):
        errors = {status: answer for status, answer in operation["responses"].items() if status >= "400"}
        assert {"421", "500"} <= errors.keys(), path
        assert method != "post" or {"400", "413", "415", "422", "503"} <= errors.keys(), path
        assert "{" not in path or "422" in errors, path
        for answer in errors.values():
            assert answer["content"].keys() == {"application/problem+json"}, path
            assert answer["content"]["application/problem+json"]["schema"] == {
                "$ref": "#/components/schemas/ProblemBody"
            }


def test_every_route_documents_its_parameters_body_and_answer(document: Document) -> None:
    for path, method, operation in operations(document):
        names = {parameter["name"] for parameter in operation.get("parameters", ()) if parameter["in"] == "path"}
        assert names == {part[1:-1] for part in path.split("/") if part.startswith("{")}, path
        assert (method == "post") == ("requestBody" in operation), path
        assert operation["description"], path
        successes = [answer for status, answer in operation["responses"].items() if status < "300"]
        assert successes, path
        assert all(answer["description"] != "Successful Response" for answer in successes), path


def test_every_structure_that_is_sent_has_an_example_that_fits_it(document: Document) -> None:
    schemas = document["components"]["schemas"]
    used = set()
    for _, _, operation in operations(document):
        contents = [answer.get("content", {}) for answer in operation["responses"].values()]
        contents.append(operation.get("requestBody", {}).get("content", {}))
        used |= {body["schema"].get("$ref", "").rpartition("/")[2] for content in contents for body in content.values()}
    for name in used - {""}:
        (example,) = schemas[name]["examples"]
        Draft202012Validator({**document, "$ref": f"#/components/schemas/{name}"}).validate(example)


def test_the_page_about_it_needs_no_other_host(gateway: GatewayThread) -> None:
    page = requests.get(f"{gateway.url}/docs", timeout=10)
    assert page.status_code == 200
    assert "http" not in page.text.replace("http-equiv", "")
    for path in ("swagger-ui-bundle.js", "swagger-ui.css"):
        assert path in page.text
        assert requests.get(f"{gateway.url}/static-offline-docs/{path}", timeout=10).status_code == 200
