"""`mpcsfaas run`: call a function from the command line."""

import json
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import typer

from mpcsfaas.cli.callables import find_callable, is_reference
from mpcsfaas.cli.completion import function_names
from mpcsfaas.cli.gateway import Json, Url, WhomToTrust, function_named, gateway
from mpcsfaas.cli.outcomes import print_outcome, wait_for_end
from mpcsfaas.cli.rendering import print_json
from mpcsfaas.client import Client
from mpcsfaas.errors import SettingsError

app = typer.Typer()

FunctionWord = Annotated[
    str,
    typer.Argument(
        metavar="FUNCTION",
        help="Name or id; FILE.py:FUNCTION; MODULE:FUNCTION.",
        show_default=False,
        autocompletion=function_names,
    ),
]
Arguments = Annotated[
    list[str] | None, typer.Argument(metavar="ARGUMENT…", help="JSON each, or else text.", show_default=False)
]
Keywords = Annotated[
    list[str] | None, typer.Option("--keyword", "-k", metavar="NAME=VALUE", help="A keyword argument; repeatable.")
]
Wait = Annotated[bool, typer.Option("--wait/--no-wait", help="Wait for the result, or print the task's id only.")]
Timeout = Annotated[float | None, typer.Option("--timeout", min=0, help="Seconds that an attempt may take.")]
Retries = Annotated[int, typer.Option("--retries", min=0, help="How often a failure is tried again.")]


@app.command()
def run(
    function: FunctionWord,
    arguments: Arguments = None,
    keywords: Keywords = None,
    wait: Wait = True,
    timeout: Timeout = None,
    retries: Retries = 0,
    trust: WhomToTrust = "pickle",
    url: Url = None,
    as_json: Json = False,
) -> None:
    """Run a function and print its result.

    Example: mpcsfaas run work/jobs.py:resize photo.png '[640, 480]' -k quality=80
    """
    target, by_value = find_callable(function) if is_reference(function) else (function, ())
    args, kwargs = [_value(word) for word in arguments or ()], _keywords(keywords or ())
    with gateway(url, by_value, trust) as client:
        caller = client.with_options(timeout=timeout, max_retries=retries)
        task_id = caller.submit(_resolved(client, target), *args, **kwargs).id
        if wait:
            print_outcome(client, task_id, wait_for_end(client, task_id, None), as_json)
        elif as_json:
            print_json({"id": task_id})
        else:
            typer.echo(task_id)


def _resolved(client: Client, target: Callable[..., Any] | str) -> Any:
    return function_named(client, target).id if isinstance(target, str) else target


def _value(word: str) -> Any:
    try:
        return json.loads(word)
    except ValueError:
        return word


def _keywords(words: Sequence[str]) -> dict[str, Any]:
    keywords = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name.isidentifier():
            raise SettingsError(f"--keyword {word!r} is no keyword argument. Write NAME=VALUE, as in -k quality=80.")
        keywords[name] = _value(value)
    return keywords
