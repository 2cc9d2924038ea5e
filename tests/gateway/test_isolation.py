"""The gateway's process never unpickles anything."""

import subprocess
import sys

PROGRAM = """
import base64, pickle, sys, uuid

def forbidden(*arguments, **options):
    raise AssertionError("something was unpickled")

pickle.loads = pickle.load = pickle.Unpickler = pickle._Unpickler = forbidden

import httpx
from mpcsfaas.gateway.settings import GatewaySettings
from mpcsfaas.interfaces.storage import StorageOptions
from mpcsfaas.testing.gateway import GatewayThread, HandDispatcher
from mpcsfaas.plugins import Plugins
from mpcsfaas_storage_memory import MemoryStorage

callable_ = base64.b64encode(b"\\x80\\x04cos\\nsystem\\n.").decode()
call = base64.b64encode(b"\\x80\\x04)}\\x86.").decode()
storage = MemoryStorage("memory://", StorageOptions())
with GatewayThread(storage, Plugins().serializers(), GatewaySettings()) as gateway:
    with httpx.Client(base_url=gateway.url) as api:
        dispatcher = HandDispatcher(gateway)
        for serializer in ("dill", "cloudpickle"):
            function = {"name": "f", "payload": callable_, "serializer": serializer}
            function_id = api.post("/v1/functions", json=function).raise_for_status().json()["id"]
            task = {"function_id": function_id, "payload": call, "serializer": serializer, "group": "g"}
            task_id = api.post("/v1/tasks", json=task).raise_for_status().json()["id"]
            dispatcher.complete(dispatcher.claim(), b"\\x80\\x04cos\\nsystem\\n.")
            api.get(f"/v1/tasks/{task_id}/result").raise_for_status()
            api.get(f"/result/{task_id}").raise_for_status()
        with api.stream("GET", "/v1/groups/g/stream") as answer:
            next(answer.iter_lines())

loaded = {"dill", "cloudpickle", "shelve", "mpcsfaas.worker"} & set(sys.modules)
assert not loaded, loaded
"""


def test_nothing_is_unpickled_and_no_pickler_of_ours_is_loaded() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
