"""`mpcsfaas fn`: what is registered."""

from mpcsfaas.testing.command_line import CommandLine


def test_the_same_content_has_the_same_id(mpcsfaas: CommandLine) -> None:
    """The file is imported once before: code compiled from source is pickled otherwise than code from its `.pyc`."""
    mpcsfaas("fn", "register", "jobs.py:add")
    first, again = (mpcsfaas.json("fn", "register", "jobs.py:add") for _ in range(2))
    assert first == again
    assert (first["name"], first["serializer"]) == ("add", "cloudpickle")


def test_functions_are_listed_newest_first(mpcsfaas: CommandLine) -> None:
    ids = [mpcsfaas("fn", "register", "jobs.py:add", "--name", name)[0].strip() for name in ("older", "newer")]
    listed = [info["id"] for info in mpcsfaas.json("fn", "list")]
    assert listed[:2] == ids[::-1]
    header, *rows = mpcsfaas("fn", "list")[0].splitlines()
    assert header.split() == ["id", "name", "serializer", "python", "registered"]
    assert rows[0].split()[:3] == [ids[1], "newer", "cloudpickle"]


def test_of_several_with_a_name_the_newest_is_shown_and_none_removed(mpcsfaas: CommandLine) -> None:
    ids = [mpcsfaas("fn", "register", place, "--name", "twin")[0].strip() for place in ("jobs.py:add", "jobs.py:nap")]
    assert mpcsfaas.json("fn", "show", "twin")["id"] == ids[1]
    assert "twin" in mpcsfaas("fn", "show", ids[0])[0]
    complaint = mpcsfaas.error("fn", "rm", "twin", code=2)
    assert "2 functions are called 'twin'. Give an id:" in complaint
    assert mpcsfaas("fn", "rm", *ids)[0].count("Removed twin") == 2
    assert "No function is called 'twin'" in mpcsfaas.error("fn", "show", "twin", code=1)


def test_an_unknown_id_is_not_found(mpcsfaas: CommandLine) -> None:
    unknown = "00000000-0000-8000-8000-000000000000"
    assert f"{unknown} not found" in mpcsfaas.error("fn", "show", unknown, code=1)
    assert f"{unknown} not found" in mpcsfaas.error("fn", "rm", unknown, code=1)


def test_what_cannot_be_serialised_is_told(mpcsfaas: CommandLine) -> None:
    (mpcsfaas.folder / "holder.py").write_text("import socket\nheld = socket.socket()\ndef use(): return held\n")
    complaint = mpcsfaas.error("fn", "register", "holder.py:use", code=2)
    assert "function use captures a socket.socket through global `held`" in complaint


def test_without_a_subcommand_help_is_shown(alone: CommandLine) -> None:
    assert "register" in "".join(alone("fn", code=2))
