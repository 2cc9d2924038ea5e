"""Errors that cross room borders. Each message names the thing, the cause and the next step."""


class MpcsfaasError(Exception):
    """Base of every error that the platform raises on purpose."""


class PluginError(MpcsfaasError):
    """A plugin is unknown, broken, duplicated or conflicts with another."""


class SettingsError(MpcsfaasError):
    """A setting is unknown or has a value that cannot be used."""


class StorageError(MpcsfaasError):
    """The storage refused or failed; nothing of the call was applied."""


class StorageUnavailable(StorageError):
    """The storage cannot be reached or written just now (down, locked, disk full). Trying again may help."""


class QueueFull(StorageError):
    """The bound on unfinished tasks is reached; nothing of the batch was accepted. Trying again later may help."""


class QuotaExceeded(QueueFull):
    """The batch would take an owner over its quota of queued tasks; nothing of it was accepted."""

    def __init__(self, owner: str, max_queued: int) -> None:
        """`owner` and `max_queued` are as in `Quota`."""
        self.owner = owner
        self.max_queued = max_queued
        super().__init__(
            f"{owner} may have no more than {max_queued} queued tasks (max_queued); submit fewer at once,"
            " or try again when some have started"
        )


class SerializationError(MpcsfaasError):
    """An object cannot be serialised, or bytes cannot be deserialised."""


class InvalidPayload(SerializationError):
    """Bytes are not what their serializer writes (found without executing anything)."""


class InvalidFrame(MpcsfaasError):
    """A frame from the other side of a wire cannot be understood; it is counted and dropped."""


class FrameTooLarge(MpcsfaasError):
    """A message is larger than the other side of a wire would accept; nothing was sent."""


class IncompatiblePeer(MpcsfaasError):
    """The two sides of a wire have no protocol version in common."""
