"""One key per setting, and how each layer spells it.

`port` is `--port`, `MPCSFAAS_PORT` and `port = …`. The option `workers` of plugin `local` is the key `local.workers`:
`--local-workers`, `MPCSFAAS_LOCAL_WORKERS`, and `[options.local] workers = …`.
"""

PREFIX = "MPCSFAAS_"
OPTIONS_TABLE = "options"
OWN_SECTIONS = ("worker",)
"""Sections that are not a plugin's, but have their places in each layer as if they were."""


def key_of(section: str, name: str) -> str:
    """The key of a plugin's option, or of a setting of the platform, whose section is empty."""
    return f"{section}.{name}" if section else name


def split_key(key: str) -> tuple[str, str]:
    """The section and the name of a key."""
    section, _, name = key.rpartition(".")
    return section, name


def flag_of(key: str) -> str:
    """`--local-workers`."""
    return "--" + key.replace(".", "-").replace("_", "-")


def variable_of(key: str) -> str:
    """`MPCSFAAS_LOCAL_WORKERS`."""
    return PREFIX + key.replace(".", "_").upper()


def toml_key_of(key: str) -> str:
    """`options.local.workers`."""
    return key_of(OPTIONS_TABLE, key) if "." in key else key
