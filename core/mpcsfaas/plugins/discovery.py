"""Which plugins are installed, read from the metadata of distributions. Nothing is imported here."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.metadata import Distribution, EntryPoint, distributions

from mpcsfaas.errors import PluginError

GROUP = "mpcsfaas"
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Registration:
    """One entry point: the word that users type, what it points to, and the distribution that declares it."""

    name: str
    distribution: str
    version: str
    entry_point: EntryPoint

    @property
    def origin(self) -> str:
        """The distribution and its version, as error messages name it."""
        return f"{self.distribution} {self.version}".strip()


def registrations() -> list[Registration]:
    """Every plugin that an installed distribution declares, sorted by name; a name may appear twice.

    A distribution whose metadata cannot be read is logged and left out.
    """
    found: dict[tuple[str, str], Registration] = {}
    for distribution in distributions():
        for registration in _declared(distribution):
            # As for imports, the first on the path hides others of the same distribution.
            found.setdefault((registration.name, registration.distribution), registration)
    return [found[key] for key in sorted(found)]


def installed_names() -> list[str]:
    """The names of all installed plugins, sorted, each once."""
    return list(dict.fromkeys(registration.name for registration in registrations()))


def find(name: str) -> Registration:
    """The registration of `name`. Raises `PluginError` if nothing, or more than one distribution, declares it."""
    found = [registration for registration in registrations() if registration.name == name]
    if not found:
        raise PluginError(_unknown(name))
    if len(found) > 1:
        raise PluginError(clash(found))
    return found[0]


def clash(rivals: Iterable[Registration]) -> str:
    """What to say of registrations that claim one name."""
    rivals = list(rivals)
    origins = " and ".join(rival.origin for rival in rivals)
    return f"Plugin {rivals[0].name!r} is declared by {origins}. Uninstall all of them but one."


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A sentence that suggests the known word nearest to `word`, with a space before it, or nothing."""
    nearest = get_close_matches(word, list(known), n=1)
    return f" Did you mean {nearest[0]!r}?" if nearest else ""


def _declared(distribution: Distribution) -> list[Registration]:
    try:
        entry_points = distribution.entry_points.select(group=GROUP)
        name, version = _identity(distribution) if entry_points else ("", "")
        return [Registration(one.name, name, version, one) for one in entry_points]
    except Exception as error:
        logger.warning("Skipping a distribution with unreadable metadata: %s: %s", type(error).__name__, error)
        return []


def _identity(distribution: Distribution) -> tuple[str, str]:
    fields = distribution.metadata.json
    return str(fields.get("name", "an unnamed distribution")), str(fields.get("version", ""))


def _unknown(name: str) -> str:
    names = installed_names()
    return (
        f"There is no plugin {name!r}.{did_you_mean(name, names)} Installed: {', '.join(names) or 'none'}."
        f" Any other must be installed beside mpcsfaas, as a package that declares"
        f" the entry point {name!r} in the group {GROUP!r}."
    )
