"""Loading one plugin, and every check that it must pass first."""

import inspect
import re
import sys
from collections.abc import Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from mpcsfaas.errors import PluginError
from mpcsfaas.hookspecs import API_VERSION
from mpcsfaas.interfaces import DispatchStrategy, FailureDetector, PluginOptions, Serializer, Storage
from mpcsfaas.interfaces.storage import StorageOptions
from mpcsfaas.plugins.discovery import Registration, find
from mpcsfaas.plugins.hooks import HookDefect, Hooks, Kind

BASES: Mapping[Kind, type] = {
    Kind.STORAGE: Storage,
    Kind.SERIALIZER: Serializer,
    Kind.STRATEGY: DispatchStrategy,
    Kind.DETECTOR: FailureDetector,
}
NAME = re.compile("[a-z][a-z0-9_]*")
"""Names are URL schemes and parts of flags, variables and TOML keys."""
WORD_TYPES = {"string", "integer", "number", "boolean", "null"}
"""Types of JSON schema that one word of a command line can express."""


@dataclass(frozen=True, slots=True)
class Plugin:
    """A plugin that was imported and passed every check."""

    registration: Registration
    implementation: object
    kind: Kind
    cls: Any = None
    """The class that it registers; None for an extension."""
    options: type[PluginOptions] = PluginOptions

    @property
    def name(self) -> str:
        """The word that users type."""
        return self.registration.name

    @property
    def summary(self) -> str:
        """The first line of the docstring of the class, or of the module."""
        text = (self.cls and self.cls.__doc__) or self.implementation.__doc__ or ""
        return str(text).strip().partition("\n")[0]


class _Defect(Exception):
    """Why a plugin cannot be used: a clause that follows a colon."""


def load(name: str) -> Plugin:
    """Import and check the plugin `name`. Raises `PluginError` if it is unknown, declared twice or broken."""
    return load_registration(find(name))


def load_registration(registration: Registration) -> Plugin:
    """Import and check one plugin. Raises `PluginError` that names it, its distribution and what is wrong."""
    try:
        return _load(registration)
    except _Defect as defect:
        raise PluginError(_broken(registration, str(defect))) from defect.__cause__
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # A plugin may raise anything, SystemExit too; only Ctrl-C is the user's.
        raise PluginError(_broken(registration, f"checking it raised {_one_line(error)}")) from error


def _load(registration: Registration) -> Plugin:
    if not NAME.fullmatch(registration.name):
        raise _Defect("its name must be lower-case letters, digits and underscores, and begin with a letter")
    implementation = _import(registration)
    _check_api_version(implementation)
    kind, cls = _check_classes(registration.name, _classes(registration.name, implementation))
    options = _check_options(cls or implementation, kind)
    return Plugin(registration, implementation, kind, cls, options)


def _broken(registration: Registration, cause: str) -> str:
    return (
        f"Plugin {registration.name!r} of {registration.origin} cannot be used: {cause.rstrip('.')}."
        f" Repair, update or uninstall {registration.distribution}, or choose another plugin."
    )


def _import(registration: Registration) -> object:
    target = registration.entry_point.value
    try:
        with redirect_stdout(sys.stderr):  # What it prints must not get into the output of a command.
            implementation: object = registration.entry_point.load()
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise _Defect(f"importing {target!r} raised {_one_line(error)}") from error
    return implementation


def _check_api_version(implementation: object) -> None:
    version = getattr(implementation, "MPCSFAAS_API_VERSION", None)
    if version is None:
        raise _Defect(f"it declares no MPCSFAAS_API_VERSION; this mpcsfaas has version {API_VERSION}")
    if version != API_VERSION:
        raise _Defect(f"it is written for version {version!r} of the plugin API, this mpcsfaas has {API_VERSION}")


def _classes(name: str, implementation: object) -> dict[Kind, list[Any]]:
    hooks = Hooks()
    try:
        hooks.register(name, implementation)
    except HookDefect as defect:
        raise _Defect(str(defect)) from defect
    return hooks.classes()


def _check_classes(name: str, answers: dict[Kind, list[Any]]) -> tuple[Kind, Any]:
    for kind, [classes] in answers.items():
        if not isinstance(classes, list | tuple):
            raise _Defect(f"its {kind} hook returned {classes!r}; it must return a list of classes")
    found = [(kind, cls) for kind, [classes] in answers.items() for cls in classes]
    if not found:
        return _no_class(answers)
    if len(found) > 1:
        names = ", ".join(getattr(cls, "__name__", repr(cls)) for _, cls in found)
        raise _Defect(f"it registers more than one class ({names}); give each an entry point of its own")
    kind, cls = found[0]
    _check_class(name, kind, cls)
    return kind, cls


def _no_class(answers: dict[Kind, list[Any]]) -> tuple[Kind, None]:
    if answers:
        raise _Defect(f"its {' and '.join(answers)} hook returned no class")
    return Kind.EXTENSION, None


def _check_class(name: str, kind: Kind, cls: Any) -> None:
    base = BASES[kind]
    if not (isinstance(cls, type) and issubclass(cls, base)):
        raise _Defect(f"{cls!r} is not a subclass of mpcsfaas.interfaces.{base.__name__}")
    if inspect.isabstract(cls):
        missing = ", ".join(sorted(getattr(cls, "__abstractmethods__", ())))
        raise _Defect(f"{cls.__qualname__} is abstract: it lacks {missing}")
    own = getattr(cls, "name", None)
    if own != name:
        raise _Defect(f"the name of {cls.__qualname__} is {own!r}, but its entry point is called {name!r}")


def _check_options(cls: Any, kind: Kind) -> type[PluginOptions]:
    base = StorageOptions if kind is Kind.STORAGE else PluginOptions
    options = getattr(cls, "Options", PluginOptions)
    if not (isinstance(options, type) and issubclass(options, base)):
        owner = getattr(cls, "__qualname__", "its module")
        raise _Defect(f"{owner}.Options is not a subclass of {base.__module__}.{base.__name__}")
    for field, details in options.model_fields.items():
        if details.is_required():
            raise _Defect(f"its option {field!r} has no default")
        if not (details.description or "").strip():
            raise _Defect(f"its option {field!r} has no description")
        if details.alias or details.validation_alias:
            raise _Defect(f"its option {field!r} has an alias; an option has one name everywhere")
    _check_types(options)
    return options


def _check_types(options: type[PluginOptions]) -> None:
    try:
        options.model_validate(dict(options()))
        schema = options.model_json_schema()
    except ValidationError as error:
        details = error.errors()[0]
        field = ".".join(map(str, details["loc"])) or "options together"
        raise _Defect(f"the default of its {field} is refused by itself: {details['msg']}") from error
    definitions = schema.get("$defs", {})
    for field, details in schema.get("properties", {}).items():
        if not _one_word(details.get("items") or details, definitions):
            raise _Defect(
                f"its option {field!r} has a type that one word cannot express;"
                " use text, a number, a choice, or a tuple of those"
            )


def _one_word(schema: dict[str, Any], definitions: dict[str, Any]) -> bool:
    if reference := schema.get("$ref"):
        return _one_word(definitions[reference.rpartition("/")[2]], definitions)
    if alternatives := schema.get("anyOf"):
        return all(_one_word(alternative, definitions) for alternative in alternatives)
    return "enum" in schema or "const" in schema or schema.get("type") in WORD_TYPES


def _one_line(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split()).rstrip(": ")
