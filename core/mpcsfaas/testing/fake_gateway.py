"""A gateway in a thread that speaks the contract, runs functions at once, and misbehaves when told to."""

import asyncio
import pickle
import socket
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from mpcsfaas.model import function_id
from mpcsfaas.testing.platform import wait_until

MSGPACK = "application/x-msgpack"
PAGE_SIZE = 50
Fault = Callable[[Request], Response | None]


class FakeGateway:
    """Starts in a `with` block. `held` keeps tasks from running until `release`."""

    def __init__(self) -> None:
        self.functions: dict[str, bytes] = {}
        self.tasks: dict[str, dict[str, Any]] = {}
        self.requests: list[str] = []
        self.batch_sizes: list[int] = []
        self.registrations = 0
        self.held = False
        self.fault: Fault | None = None
        self.lose_answers = 0
        """How many batches are accepted, and then answered as if they were not."""
        self.streams: list[int] = []
        """After which sequence each stream was asked to begin."""
        self.cut_after: int | None = None
        """Close each stream after this many bytes of it, once."""
        self._feed: list[dict[str, Any]] = []
        self._changed = asyncio.Event()
        self._generation = 0
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    def __enter__(self) -> Self:
        config = uvicorn.Config(self._app(), log_level="critical", lifespan="off", timeout_graceful_shutdown=0)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()
        wait_until(lambda: self._server.started, what="the fake gateway")
        return self

    def _serve(self) -> None:
        with asyncio.Runner() as runner:
            self._loop = runner.get_loop()
            runner.run(self._server.serve([self._socket]))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.should_exit = self._server.force_exit = True
        self.cut_streams()
        self._thread.join(10)
        self._socket.close()

    def count(self, path: str) -> int:
        """How many requests there were to paths that end with `path`."""
        return sum(request.endswith(path) for request in self.requests)

    def cut_streams(self) -> None:
        """End all streams that are open."""
        self._generation += 1
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._changed.set)

    def release(self) -> None:
        """Run what was held."""
        self.held = False
        self._loop.call_soon_threadsafe(self._run_all)

    def forget_functions(self) -> None:
        """As if it had been started on an empty storage, apart from the tasks."""
        self.functions.clear()

    def forget_task(self, task_id: str) -> None:
        """As if the storage had lost it."""
        del self.tasks[task_id]

    def _app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/v1/functions", self._guarded(self._register), methods=["POST"]),
                Route("/v1/tasks", self._guarded(self._submit), methods=["POST"]),
                Route("/v1/tasks", self._guarded(self._list)),
                Route("/v1/tasks:batch", self._guarded(self._batch), methods=["POST"]),
                Route("/v1/tasks:cancel", self._guarded(self._cancel), methods=["POST"]),
                Route("/v1/tasks:results", self._guarded(self._results), methods=["POST"]),
                Route("/v1/tasks/{id}/result", self._guarded(self._result)),
                Route("/v1/workers", self._guarded(self._workers)),
                Route("/v1/groups/{group}/stream", self._guarded(self._stream)),
            ]
        )

    def _guarded(self, endpoint: Callable[[Request], Any]) -> Callable[[Request], Any]:
        async def guarded(request: Request) -> Response:
            self.requests.append(f"{request.method} {request.url.path}")
            fault = self.fault and self.fault(request)
            if fault:
                return fault
            response: Response = await endpoint(request)
            return response

        return guarded

    async def _register(self, request: Request) -> Response:
        body = msgspec.msgpack.decode(await request.body())
        identity = function_id(body["name"], body["serializer"], body["payload"])
        self.functions[identity] = body["payload"]
        self.registrations += 1
        return JSONResponse({"id": identity, "name": body["name"], "serializer": "cloudpickle", "created_at": 1.0}, 201)

    async def _submit(self, request: Request) -> Response:
        answer = self._accept(msgspec.msgpack.decode(await request.body()))
        if "error" in answer:
            return problem(answer["error"]["status"], answer["error"]["detail"])
        task = self.tasks[answer["id"]]
        if "wait" in request.query_params and "state" in task:
            return packed(self._item(task))
        return packed(answer, 202)

    async def _batch(self, request: Request) -> Response:
        items = msgspec.msgpack.decode(await request.body())["tasks"]
        self.batch_sizes.append(len(items))
        answer = packed({"results": [self._accept(item) for item in items]})
        if self.lose_answers:
            self.lose_answers -= 1
            return problem(503, "the answer was lost", "0.01")
        return answer

    def _accept(self, item: dict[str, Any]) -> dict[str, Any]:
        if item["function_id"] not in self.functions:
            return {"error": {"status": 404, "title": "Not Found", "detail": f"no function {item['function_id']}"}}
        duplicate = item["task_id"] in self.tasks
        task = self.tasks.setdefault(item["task_id"], item)
        if not self.held and not duplicate:
            self._run(task)
        return {"id": item["task_id"], "state": "QUEUED", "duplicate": duplicate}

    def _run_all(self) -> None:
        for task in list(self.tasks.values()):
            if "state" not in task:
                self._run(task)

    def _run(self, task: dict[str, Any]) -> None:
        args, kwargs = pickle.loads(task["payload"])
        try:
            value, failure = pickle.loads(self.functions[task["function_id"]])(*args, **kwargs), None
        except Exception as error:
            failure = {"kind": "exception", "message": str(error), "type": type(error).__name__, "traceback": "remote"}
            value = error
        self._end(task, "FAILED" if failure else "COMPLETED", pickle.dumps(value), failure)

    def _end(self, task: dict[str, Any], state: str, value: bytes | None, failure: Any = None) -> None:
        task.update(state=state, value=value, failure=failure, sequence=len(self._feed) + 1)
        self._feed.append(task)
        self._changed.set()

    def _item(self, task: dict[str, Any]) -> dict[str, Any]:
        keys = ("state", "value", "failure", "sequence", "serializer")
        return {"id": task["task_id"], **{key: task[key] for key in keys}}

    async def _cancel(self, request: Request) -> Response:
        for task_id in msgspec.msgpack.decode(await request.body())["ids"]:
            task = self.tasks.get(task_id)
            if task is not None and "state" not in task:
                self._end(task, "CANCELLED", None)
        return packed({"results": []})

    async def _result(self, request: Request) -> Response:
        task = self.tasks.get(request.path_params["id"])
        if task is None:
            return problem(404, "no such task")
        if task.get("expired"):
            return problem(410, "expired")
        return packed(self._item(task)) if "state" in task else packed({"id": task["task_id"], "state": "QUEUED"}, 202)

    async def _results(self, request: Request) -> Response:
        wanted = msgspec.msgpack.decode(await request.body())["ids"]
        self.batch_sizes.append(len(wanted))
        unknown = [{"id": each, "error": {"status": 404, "detail": "no"}} for each in wanted if each not in self.tasks]
        ended = [self._item(self.tasks[each]) for each in wanted if "state" in self.tasks.get(each, ())]
        return packed({"results": unknown + ended})

    async def _list(self, request: Request) -> Response:
        group = request.query_params.get("group")
        records = [
            {
                "id": task["task_id"],
                "function_id": task["function_id"],
                "serializer": task["serializer"],
                "state": task.get("state", "QUEUED"),
                "created_at": 1.0,
                "options": {},
                "expired": task.get("expired", False),
            }
            for task in self.tasks.values()
            if task.get("group") == group
        ]
        start = int(request.query_params.get("cursor", 0))
        more = str(start + PAGE_SIZE) if start + PAGE_SIZE < len(records) else None
        return JSONResponse({"items": records[start : start + PAGE_SIZE], "cursor": more})

    async def _workers(self, _: Request) -> Response:
        return packed({"dispatchers": []})

    async def _stream(self, request: Request) -> Response:
        after = int(request.query_params["after"])
        frames = self._frames(request.path_params["group"], after, self._generation)
        self.streams.append(after)
        return StreamingResponse(frames, media_type=MSGPACK)

    async def _frames(self, group: str, after: int, generation: int) -> AsyncIterator[bytes]:
        yield frame([])
        while generation == self._generation:
            self._changed.clear()
            items = [self._item(task) for task in self._feed[after:] if task.get("group") == group]
            after = len(self._feed)
            data = frame(items) if items else b""
            if data and self.cut_after is not None:
                yield data[: self.cut_after]
                self.cut_after = None
                return
            if data:
                yield data
            await self._changed.wait()


def frame(items: list[dict[str, Any]]) -> bytes:
    """A frame of the stream."""
    data = msgspec.msgpack.encode(items)
    return len(data).to_bytes(4, "big") + data


def packed(content: Any, status: int = 200) -> Response:
    """A msgpack answer."""
    return Response(msgspec.msgpack.encode(content), status, media_type=MSGPACK)


def problem(status: int, detail: str, retry_after: str | None = None) -> Response:
    """An error answer."""
    headers = {"Retry-After": retry_after} if retry_after else {}
    content = {"status": status, "title": "problem", "detail": detail}
    return JSONResponse(content, status, headers=headers, media_type="application/problem+json")
