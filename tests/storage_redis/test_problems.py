"""Every answer of a server that refuses has an error of the platform's own, in whichever form redis-py hands it on."""

import pytest
from redis import exceptions

from mpcsfaas.errors import MpcsfaasError, SettingsError, StorageError, StorageUnavailable
from mpcsfaas_storage_redis.problems import explain, is_of_replica

IN_SCRIPT = "Error running script (call to f_12): @user_script:7: @user_script: 7: -"


@pytest.mark.parametrize(
    ("error", "kind", "advice"),
    [
        (exceptions.OutOfMemoryError("command not allowed"), StorageUnavailable, "raise its maxmemory"),
        (exceptions.ResponseError(IN_SCRIPT + "OOM command not allowed."), StorageUnavailable, "raise its maxmemory"),
        (exceptions.ReadOnlyError("You can't write"), StorageUnavailable, "failover"),
        (exceptions.ResponseError(IN_SCRIPT + "READONLY You can't write"), StorageUnavailable, "failover"),
        (exceptions.ResponseError("MISCONF Redis is configured to save"), StorageUnavailable, "its disk"),
        (exceptions.ResponseError("NOREPLICAS Not enough"), StorageUnavailable, "bring them back"),
        (exceptions.BusyLoadingError("Redis is loading"), StorageUnavailable, "loading its data"),
        (exceptions.ClusterDownError("Hash slot not served"), StorageUnavailable, "its nodes"),
        (exceptions.MovedError("1 127.0.0.1:7000"), StorageUnavailable, "name that one"),
        (exceptions.ConnectionError("refused"), StorageUnavailable, "start it"),
        (exceptions.TimeoutError("Timeout"), StorageUnavailable, "start it"),
        (OSError("no route"), StorageUnavailable, "start it"),
        (exceptions.AuthenticationError("invalid username-password pair"), SettingsError, "user and password"),
        (exceptions.NoPermissionError("this user has no permissions"), SettingsError, "ACL"),
        (exceptions.ResponseError("WRONGPASS invalid"), SettingsError, "user and password"),
        (exceptions.ResponseError("unknown command"), StorageError, "version"),
        (KeyError("x"), StorageError, "KeyError"),
        (SettingsError("as it is"), SettingsError, "as it is"),
    ],
)
def test_errors_name_the_thing_the_cause_and_the_next_step(
    error: Exception, kind: type[MpcsfaasError], advice: str
) -> None:
    told = explain(error, "redis at h:1")
    assert type(told) is kind
    assert advice in str(told)
    assert told is not error
    assert isinstance(error, MpcsfaasError) or str(told).startswith("redis at h:1")


def test_only_a_replicas_answer_means_to_look_for_the_primary() -> None:
    assert is_of_replica(exceptions.ReadOnlyError("You can't write"))
    assert is_of_replica(exceptions.ResponseError(IN_SCRIPT + "READONLY You can't write"))
    assert not is_of_replica(exceptions.OutOfMemoryError("command not allowed"))
