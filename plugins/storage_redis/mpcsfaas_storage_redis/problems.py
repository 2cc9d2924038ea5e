"""What Redis' errors mean to the one who runs the platform."""

import re

from redis.exceptions import (
    AuthenticationError,
    AuthenticationWrongNumberOfArgsError,
    AuthorizationError,
    BusyLoadingError,
    ClusterDownError,
    MasterDownError,
    MovedError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    TryAgainError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from mpcsfaas.errors import MpcsfaasError, SettingsError, StorageError, StorageUnavailable

PASSING = {
    "OOM": "the server is out of memory; raise its maxmemory, or wait until results expire",
    "READONLY": "the server is a replica; wait for the failover, or name the primary",
    "LOADING": "the server is loading its data; try again",
    "MASTERDOWN": "the server is a replica without its primary; wait for the failover",
    "MISCONF": "the server cannot write its data to the disk and so refuses changes; look at its log and its disk",
    "NOREPLICAS": "the server misses replicas and so refuses changes; bring them back",
    "BUSY": "the server runs somebody's long script; try again",
    "CLUSTERDOWN": "the cluster does not serve all slots; look at its nodes",
    "TRYAGAIN": "the cluster is moving slots; try again",
    "MOVED": "another node of the cluster has the keys; name that one",
    "ASK": "the cluster is moving slots; try again",
    "UNKILLABLE": "the server runs somebody's long script; try again",
    "max": "the server has as many clients as it allows; raise its maxclients",
}
"""By the first word of the server's answer, which stands after a hyphen if it was given to a script."""

WORDS = {
    OutOfMemoryError: "OOM",
    ReadOnlyError: "READONLY",
    BusyLoadingError: "LOADING",
    MasterDownError: "MASTERDOWN",
    ClusterDownError: "CLUSTERDOWN",
    TryAgainError: "TRYAGAIN",
    MovedError: "MOVED",
}
"""The words that redis-py makes classes of, and leaves out of the text."""

NOT_ALLOWED = (AuthenticationError, AuthenticationWrongNumberOfArgsError, AuthorizationError, NoPermissionError)

NOT_ALLOWED_IN_SCRIPT = "The user executing the script can't"
"""How Redis 7 begins when a script does what its user may not."""


def explain(error: BaseException, name: str) -> MpcsfaasError:
    """The platform's own error to raise instead."""
    if isinstance(error, MpcsfaasError):
        return type(error)(*error.args)
    word, text = _word(error), str(error) or type(error).__name__
    if word in PASSING:
        return StorageUnavailable(f"{name}: {PASSING[word]} ({text})")
    is_known = word in ("NOAUTH", "WRONGPASS", "NOPERM", "AUTH") or text.startswith(NOT_ALLOWED_IN_SCRIPT)
    if isinstance(error, NOT_ALLOWED) or is_known:
        return SettingsError(f"{name} does not let us in: {text}; correct user and password, or the user's ACL")
    if isinstance(error, (RedisConnectionError, RedisTimeoutError, OSError)):
        return StorageUnavailable(f"{name} cannot be reached: {text}; start it, or wait until it is back")
    if isinstance(error, RedisError):
        return StorageError(f"{name} refused: {text}; look at the server's version and log")
    return StorageError(f"{name} failed: {type(error).__name__}: {text}")


def is_of_replica(error: Exception) -> bool:
    """True if the server is no primary (any more), so that another one must be looked for."""
    return _word(error) in ("READONLY", "MASTERDOWN")


def _word(error: BaseException) -> str:
    """What kind of answer it is."""
    for kind, word in WORDS.items():
        if isinstance(error, kind):
            return word
    text = str(error)
    in_script = re.search(r": -([A-Z]+) ", text)
    return in_script.group(1) if in_script else text.partition(" ")[0]
