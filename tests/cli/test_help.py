"""Every command says what it does, shows an example that works, and explains its words and flags."""

import shlex
from collections.abc import Iterator
from typing import Any

import pytest

from mpcsfaas.cli.group import root_command


def commands(group: Any, context: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command that can be run, with its words; built-in ones only."""
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        words = (*path, name)
        if not hasattr(command, "list_commands"):
            yield words, command
            continue
        if command.invoke_without_command:
            yield words, command
        yield from commands(command, command.make_context(name, [], parent=context, resilient_parsing=True), words)


ROOT = root_command()
ALL = dict(commands(ROOT, ROOT.make_context("mpcsfaas", [], resilient_parsing=True)))
WORDS = pytest.mark.parametrize("words", ALL, ids=" ".join)


def parsed(line: str) -> tuple[str, ...]:
    """The words of the command that a command line runs; raises what is wrong with it."""
    program, *rest = shlex.split(line)
    command, found = ROOT, []
    context = command.make_context(program, rest, obj=rest)
    while hasattr(command, "list_commands") and (left := [*context._protected_args, *context.args]):
        name, command, rest = command.resolve_command(context, left)
        found.append(name)
        context = command.make_context(name, rest, parent=context)
    return tuple(found)


def examples(command: Any) -> list[str]:
    return [line.strip().removeprefix("Example: ") for line in command.help.splitlines() if "Example: " in line]


@WORDS
def test_every_command_has_an_example_that_is_parsed(words: tuple[str, ...]) -> None:
    found = examples(ALL[words])
    assert found, f"`mpcsfaas {' '.join(words)} --help` shows no example"
    for example in found:
        assert parsed(example) == words


@WORDS
def test_every_command_says_what_it_does_in_a_sentence(words: tuple[str, ...]) -> None:
    first = ALL[words].help.partition("\n\n")[0]
    assert first[0].isupper()
    assert first.endswith(".")


@WORDS
def test_every_flag_and_word_is_explained(words: tuple[str, ...]) -> None:
    for parameter in ALL[words].params:
        assert parameter.help, f"{parameter.name} of {words}"
        assert parameter.help.rstrip().endswith((".", "…", "?")), f"{parameter.name} of {words}: {parameter.help}"


def test_a_wrong_example_would_be_found() -> None:
    with pytest.raises(Exception, match="--no-such-flag"):
        parsed("mpcsfaas tasks --no-such-flag")
