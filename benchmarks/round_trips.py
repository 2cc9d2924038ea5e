"""The plainest ways from one process to another."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import zmq
from benchmarks.measuring import Figures, timed
from redis import Redis

from mpcsfaas.testing.platform import free_port
from mpcsfaas.testing.redis_server import RedisServer

PIPELINED = 100
PIPELINES = 500
ECHO = "import os\nwhile data := os.read(0, 4096): os.write(1, data)"
ZMQ_ECHO = "import sys, zmq\ns = zmq.Context().socket(zmq.REP)\ns.bind(sys.argv[1])\nwhile True: s.send(s.recv())"


@contextmanager
def pipe_echo() -> Iterator[Callable[[], None]]:
    """One round trip through pipes to a child."""
    with subprocess.Popen([sys.executable, "-c", ECHO], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdin
        assert child.stdout
        to_child, from_child = child.stdin.fileno(), child.stdout.fileno()

        def trip() -> None:
            os.write(to_child, b"x" * 100)
            assert len(os.read(from_child, 4096)) == 100

        yield trip
        child.stdin.close()


@contextmanager
def zmq_echo() -> Iterator[Callable[[], None]]:
    """One round trip over TCP to another process."""
    url = f"tcp://127.0.0.1:{free_port()}"
    child = subprocess.Popen([sys.executable, "-c", ZMQ_ECHO, url])
    try:
        with zmq.Context() as context, context.socket(zmq.REQ) as socket:
            socket.setsockopt(zmq.LINGER, 0)
            socket.connect(url)

            def trip() -> None:
                socket.send(b"x" * 100)
                assert len(socket.recv()) == 100

            yield trip
    finally:
        child.kill()
        child.wait()


def pipelines(redis: RedisServer) -> Figures:
    """Redis operations per second in pipelines of `PIPELINED` SETs of 100 bytes."""
    with Redis.from_url(redis.url) as client:

        def send() -> None:
            for _ in range(PIPELINES):
                pipeline = client.pipeline(transaction=False)
                for number in range(PIPELINED):
                    pipeline.set(f"benchmark:{number}", b"x" * 100)
                pipeline.execute()

        return {"operations/s": PIPELINES * PIPELINED / timed(send)}
