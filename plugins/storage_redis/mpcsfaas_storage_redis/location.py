"""From a URL to the servers that it names. No connection is made here."""

import ssl
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from mpcsfaas.errors import SettingsError

FORMS = (
    "redis://[[USER]:PASSWORD@]HOST[:PORT][/DATABASE], rediss://… for TLS, unix:///PATH[?db=DATABASE],"
    " or redis://HOST:PORT,HOST:PORT/DATABASE?sentinel=NAME"
)
DEFAULT_PORT = 6379
DEFAULT_SENTINEL_PORT = 26379


def _yes_or_no(text: str) -> bool:
    if text.lower() not in ("yes", "true", "1", "no", "false", "0"):
        raise ValueError(f"{text!r} is neither yes nor no")
    return text.lower() in ("yes", "true", "1")


def _verification(text: str) -> ssl.VerifyMode:
    if text not in ("none", "optional", "required"):
        raise ValueError(f"{text!r} is neither none nor optional nor required")
    return ssl.VerifyMode[f"CERT_{text.upper()}"]


TLS_PARAMETERS: Mapping[str, Callable[[str], Any]] = {
    "ssl_cert_reqs": _verification,
    "ssl_ca_certs": str,
    "ssl_certfile": str,
    "ssl_keyfile": str,
    "ssl_check_hostname": _yes_or_no,
}
PARAMETERS: Mapping[str, Callable[[str], Any]] = {
    "db": int,
    "client_name": str,
    "sentinel": str,
    "sentinel_username": str,
    "sentinel_password": str,
    "username": str,
    "password": str,
    **TLS_PARAMETERS,
}


class Location(NamedTuple):
    """What a URL says. `settings` are named as redis-py names them."""

    hosts: tuple[tuple[str, int], ...]
    path: str
    is_tls: bool
    settings: Mapping[str, Any]
    sentinel: str | None
    sentinel_settings: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The servers as messages name them: without passwords."""
        where = self.path or ",".join(f"{host}:{port}" for host, port in self.hosts)
        return f"redis {self.sentinel} of the sentinels {where}" if self.sentinel else f"redis at {where}"


def parse(url: str) -> Location:
    """Read a URL. Raises `SettingsError`, which never tells a password."""
    try:
        return _parse(urlsplit(url))
    except ValueError as error:
        raise SettingsError(f"storage URL of the scheme {url.partition('://')[0]!r}: {error}; write {FORMS}") from None


def _parse(parts: SplitResult) -> Location:
    if parts.scheme not in ("redis", "rediss", "unix"):
        raise ValueError("it is not one of a Redis server")
    if parts.fragment:
        raise ValueError("it has a part after #, which belongs to nothing")
    settings = _parameters(parts)
    sentinel = settings.pop("sentinel", None)
    sentinel_settings = {
        name: settings.pop(f"sentinel_{name}") for name in ("username", "password") if f"sentinel_{name}" in settings
    }
    if sentinel_settings and not sentinel:
        raise ValueError("it has a sentinel's user or password, but no sentinel=NAME")
    login, _, places = parts.netloc.rpartition("@")
    settings |= _login(login)
    if parts.scheme == "unix":
        return Location((), _socket_path(parts, places, sentinel), False, settings, None, {})
    settings |= _database(parts.path, settings)
    hosts = _hosts(places, DEFAULT_SENTINEL_PORT if sentinel else DEFAULT_PORT)
    if len(hosts) > 1 and not sentinel:
        raise ValueError("it has several hosts, which is for sentinels, but no sentinel=NAME")
    return Location(hosts, "", parts.scheme == "rediss", settings, sentinel, sentinel_settings)


def _parameters(parts: SplitResult) -> dict[str, Any]:
    settings: dict[str, Any] = {}
    for name, text in parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)):
        if name not in PARAMETERS or (name in TLS_PARAMETERS and parts.scheme != "rediss"):
            raise ValueError(
                f"it has an unknown parameter {name!r}; known are {', '.join(PARAMETERS)} (ssl_… with rediss)"
            )
        if not text or name in settings:
            raise ValueError(f"its parameter {name!r} is {'empty' if not text else 'repeated'}")
        try:
            settings[name] = PARAMETERS[name](text)
        except ValueError:
            raise ValueError(f"its parameter {name!r} has a value that cannot be used") from None
    if settings.get("db", 0) < 0:
        raise ValueError("its database is no number from 0")
    return settings


def _login(text: str) -> dict[str, str]:
    username, _, password = text.partition(":")
    if text and not password:
        raise ValueError("it has a user without a password")
    pairs = {"username": unquote(username), "password": unquote(password)}
    return {name: value for name, value in pairs.items() if value}


def _socket_path(parts: SplitResult, places: str, sentinel: str | None) -> str:
    if places or sentinel:
        raise ValueError("a socket has neither host nor sentinel; three slashes come before its path")
    if not parts.path.strip("/") or "\0" in unquote(parts.path):
        raise ValueError("it names no socket")
    return unquote(parts.path)


def _database(path: str, settings: Mapping[str, Any]) -> dict[str, int]:
    text = path.removeprefix("/")
    if not text:
        return {}
    if not (text.isascii() and text.isdecimal()):
        raise ValueError(f"its database {text!r} is no number from 0")
    if settings.get("db", int(text)) != int(text):
        raise ValueError("it names two databases")
    return {"db": int(text)}


def _hosts(places: str, default_port: int) -> tuple[tuple[str, int], ...]:
    return tuple(_host(place, default_port) for place in places.split(","))


def _host(place: str, default_port: int) -> tuple[str, int]:
    parts = urlsplit(f"//{place}")
    if not parts.hostname:
        raise ValueError("it names no host")
    if parts.port == 0:
        raise ValueError("port 0 is none")
    return unquote(parts.hostname), parts.port or default_port
