"""The example for JavaScript, run by Node.js as its reader would."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from starlette.requests import Request
from starlette.responses import JSONResponse

from mpcsfaas.testing.command_line import CommandLine
from mpcsfaas.testing.fake_gateway import FakeGateway
from mpcsfaas.testing.platform import PlatformProcess, wait_until
from mpcsfaas.testing.tcp_proxy import TcpProxy

Register = Callable[[str], str]
Node = Callable[..., "subprocess.Popen[str]"]

EXAMPLE = Path(__file__).parents[2] / "examples" / "javascript"
DOCUMENTED = Path(__file__).parents[2] / "docs" / "javascript.md"
OPEN = "/dev/null"
"""A gate that is always open."""
PATIENCE = 60


@pytest.fixture
def node(tmp_path: Path, shell: dict[str, str]) -> Iterator[Node]:
    """Runs a script of the example. None runs after the test."""
    program = shutil.which("node")
    if program is None:
        assert "CI" not in os.environ, "node is missing; .ci/run installs it"
        pytest.skip("Node.js is not installed: apt-get install nodejs")
    started = []

    def run(*words: object, script: Path = EXAMPLE / "main.mjs", **variables: str) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [program, str(script), *map(str, words)],
            cwd=tmp_path,
            env=shell | variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()


def test_results_and_failures_of_a_group(node: Node, platform: PlatformProcess, register: Register) -> None:
    process = node(register("root"), "[9]", "[-1]", '["x"]', MPCSFAAS_URL=platform.url)
    output, errors = process.communicate(timeout=PATIENCE)
    once, *others, end = output.splitlines()
    assert once == "once: 3"
    assert sorted(others) == [
        '["x"]: FAILED (exception) TypeError: must be real number, not str',
        "[-1]: FAILED (exception) ValueError: math domain error",
        "[9]: 3",
    ]
    assert end == "1 completed, 2 failed"
    assert (errors, process.returncode) == ("", 1)


def test_the_readme_says_what_happens(
    platform: PlatformProcess, node: Node, shell: dict[str, str], tmp_path: Path
) -> None:
    program, commands, printed = re.findall(r"```\w+\n(.*?)```", (EXAMPLE / "README.md").read_text(), re.DOTALL)
    shutil.copytree(EXAMPLE, tmp_path, dirs_exist_ok=True)
    (tmp_path / "work.py").write_text(program)
    done = subprocess.run(
        ["bash", "-c", commands],
        cwd=tmp_path,
        env=shell | {"MPCSFAAS_URL": platform.url},
        capture_output=True,
        text=True,
    )
    assert sorted(done.stdout.splitlines()) == sorted(printed.splitlines()), done.stderr


def test_the_documented_calls_work(node: Node, platform: PlatformProcess, register: Register, tmp_path: Path) -> None:
    (snippet,) = re.findall(r"```js\n(.*?)```", DOCUMENTED.read_text(), re.DOTALL)
    shutil.copytree(EXAMPLE, tmp_path, dirs_exist_ok=True)
    known = f'const functionId = "{register("area")}", calls = [[1, 2], [3, 4]];\n'
    shown = "console.log(state, value, failure);\n"
    before, found, after = snippet.partition("await client.submit(")
    (tmp_path / "snippet.mjs").write_text(known + before + shown + found + after)
    process = node(script=tmp_path / "snippet.mjs", MPCSFAAS_URL=platform.url)
    assert process.stdout
    lines = [process.stdout.readline().split(" ", 1) for _ in range(3)]
    assert lines[0] == ["COMPLETED", "12 null\n"]
    assert sorted(rest for _, rest in lines[1:]) == ["COMPLETED 12\n", "COMPLETED 2\n"]


def test_what_json_has_no_word_for_is_a_failure_that_says_so(
    node: Node, platform: PlatformProcess, register: Register
) -> None:
    process = node(register("not_a_number"), "[]", MPCSFAAS_URL=platform.url)
    output, _ = process.communicate(timeout=PATIENCE)
    assert output.startswith("once: FAILED (invalid_result) ")
    assert "json cannot serialise a float" in output


def test_json_comes_back_as_it_went(node: Node, platform: PlatformProcess, register: Register) -> None:
    values: list[Any] = [
        None,
        True,
        0.5,
        2**53 - 1,
        "für\n\n日本 \u2028 \U0001f600 data: x",
        [[], {}],
        {"a": {"b": [1]}},
        "x" * 100_000,
    ]
    texts = [json.dumps([value], ensure_ascii=False, separators=(",", ":")) for value in values]
    process = node(register("echo"), *texts, MPCSFAAS_URL=platform.url)
    output, errors = process.communicate(timeout=PATIENCE)
    _, *lines, end = output.rstrip("\n").split("\n")
    assert sorted(lines) == sorted(f"{text}: {text[1:-1]}" for text in texts)
    assert (end, errors, process.returncode) == (f"{len(values)} completed, 0 failed", "", 0)


def test_a_stream_that_is_cut_is_resumed_where_it_was(
    node: Node, platform: PlatformProcess, register: Register, gate: Path
) -> None:
    calls = [json.dumps([number, OPEN if number < 2 else str(gate)], separators=(",", ":")) for number in range(4)]
    with TcpProxy(port_of(platform)) as proxy:
        process = node(register("after_gate"), *calls, MPCSFAAS_URL=f"http://127.0.0.1:{proxy.port}")
        assert process.stdout
        before = [process.stdout.readline().strip() for _ in range(3)]
        proxy.drop()
        gate.touch()
        output, errors = process.communicate(timeout=PATIENCE)
    *after, end = output.splitlines()
    assert before[0] == "once: 0"
    assert sorted(before[1:]) == [f"{call}: {number}" for number, call in enumerate(calls[:2])]
    assert sorted(after) == [f"{call}: {number}" for number, call in enumerate(calls[2:], start=2)]
    assert (end, process.returncode) == ("4 completed, 0 failed", 0)
    assert re.fullmatch(r"the stream was lost \(.+\); resuming after [1-9]\d*\n", errors)


def test_a_stream_whose_other_end_is_gone_unnoticed_is_resumed(
    node: Node, platform: PlatformProcess, register: Register, gate: Path, tmp_path: Path
) -> None:
    script = tmp_path / "follow.mjs"
    script.write_text(f"""
        import {{ Client }} from "{EXAMPLE}/mpcsfaas.mjs";
        const [function_id, gate] = process.argv.slice(2);
        const group = "half open/ü";
        const client = new Client({{ silence: 1000 }});
        await client.submit(["{OPEN}", gate].map((path) => ({{ function_id, args: [path, path], group }})));
        let last = 0;
        for await (const result of client.follow(group)) {{
            console.log(result.value);
            if (result.sequence <= last) throw new Error("came twice");
            last = result.sequence;
            if (result.value === gate) break;
        }}
    """)
    with TcpProxy(port_of(platform)) as proxy:
        url = f"http://127.0.0.1:{proxy.port}"
        process = node(register("after_gate"), gate, script=script, MPCSFAAS_URL=url)
        assert process.stdout
        assert process.stdout.readline().strip() == OPEN
        proxy.half_open()
        gate.touch()
        output, errors = process.communicate(timeout=PATIENCE)
    assert (output.strip(), process.returncode) == (str(gate), 0)
    assert errors.startswith("the stream was lost (nothing heard for 1 s); resuming after ")


def test_a_key_is_sent_and_its_full_queue_waited_for(node: Node, work: CommandLine, tmp_path: Path, gate: Path) -> None:
    platform = PlatformProcess(tmp_path, "-w", "1")
    key = work(
        "keys", "create", "--max-queued", "1", "--max-running", "1", "--storage", platform.storage
    ).output.strip()
    with platform:
        place_and_key = {"MPCSFAAS_URL": platform.url, "MPCSFAAS_API_KEY": key}
        identity = work("fn", "register", "work.py:after_gate", code=0, **place_and_key).output.strip()
        task = {"function_id": identity, "args": [0, str(gate)]}
        with requests.Session() as session:
            session.headers["Authorization"] = f"Bearer {key}"
            running = session.post(f"{platform.url}/v1/tasks", json=task, timeout=10).json()["id"]
            place = f"{platform.url}/v1/tasks/{running}"
            wait_until(lambda: session.get(place, timeout=10).json()["state"] == "RUNNING", what="the first task's run")
            assert session.post(f"{platform.url}/v1/tasks", json=task, timeout=10).status_code == 202
        process = node(identity, f'["done","{OPEN}"]', **place_and_key)
        assert process.stderr
        refusal = process.stderr.readline()
        gate.touch()
        output, _ = process.communicate(timeout=PATIENCE)
    assert re.fullmatch(r"quota-exceeded: .+ Trying again in 1 s\.\n", refusal)
    assert output.splitlines() == ['once: "done"', f'["done","{OPEN}"]: "done"', "1 completed, 0 failed"]
    assert process.returncode == 0


def test_a_gateway_that_is_unavailable_is_asked_again_when_it_says(node: Node) -> None:
    answers = [(503, "unavailable", {"Retry-After": "0"})] * 2 + [(404, "unknown-function", {})]
    asked = []

    def refuse(request: Request) -> JSONResponse:
        asked.append(request.url.path)
        status, kind, headers = answers[len(asked) - 1]
        body = {"type": f"urn:mpcsfaas:problem:{kind}", "title": "No", "status": status, "detail": f"It is {kind}."}
        return JSONResponse(body, status, headers, "application/problem+json")

    with FakeGateway() as gateway:
        gateway.fault = refuse
        process = node("0c8a3d5e-7f0b-8a52-9a4e-3c1d2b4f6a70", "[1]", MPCSFAAS_URL=gateway.url)
        output, errors = process.communicate(timeout=PATIENCE)
    busy = "unavailable: It is unavailable. Trying again in 0 s.\n"
    assert (output, errors) == ("", f"{busy}{busy}Problem: unknown-function: It is unknown-function.\n")
    assert asked == ["/v1/tasks"] * 3
    assert process.returncode == 1


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ([], 2, "usage: "),
        (["id"], 2, "usage: "),
        (["id", "nonsense"], 1, "SyntaxError: "),
        (["id", "[1]"], 1, "Problem: "),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(
    node: Node, platform: PlatformProcess, words: list[str], code: int, said: str
) -> None:
    process = node(*words, MPCSFAAS_URL=platform.url)
    output, errors = process.communicate(timeout=PATIENCE)
    assert (output, process.returncode) == ("", code)
    assert errors.startswith(said)
    assert errors.count("\n") == 1


def port_of(platform: PlatformProcess) -> int:
    return int(platform.url.rpartition(":")[2])
