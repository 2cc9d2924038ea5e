"""Key files: TOML that people can read and copy, which nobody but their owner can."""

import os
import re
import tempfile
import tomllib
from pathlib import Path
from typing import Annotated, TypeAlias, TypeVar

import msgspec
import zmq
from msgspec import Meta, Struct

from mpcsfaas.errors import SettingsError

PRIVATE_FOLDER = 0o700
OTHERS = 0o077
"""The bits of a mode that give others anything."""
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")

Key: TypeAlias = Annotated[str, Meta(pattern=r"^[0-9a-zA-Z.:+=^!/*?&<>()\[\]{}@%$#-]{40}$")]
"""32 bytes as Z85 writes them."""


class DispatcherKey(Struct, frozen=True, rename="kebab"):
    """What a dispatcher shows its workers that it has."""

    public_key: Key
    secret_key: Key


class WorkerKey(Struct, frozen=True, rename="kebab"):
    """All that a worker needs to reach its dispatcher: its own key, and its dispatcher's public one."""

    name: str
    public_key: Key
    secret_key: Key
    dispatcher_key: Key


class PublicKey(Struct, frozen=True, rename="kebab"):
    """What a dispatcher knows of a worker, beside its name."""

    public_key: Key


KeyFile = TypeVar("KeyFile", DispatcherKey, WorkerKey, PublicKey)


def owner_of(name: str) -> str:
    """What the ids of all workers with the key of this name begin with, and no others'."""
    return f"{name}/"


def new_pair() -> tuple[str, str]:
    """A new public key and its secret one."""
    public, secret = zmq.curve_keypair()
    return public.decode(), secret.decode()


def check_name(name: str) -> str:
    """The name. Raises `SettingsError` if no worker's key can be called so."""
    if not NAME.fullmatch(name):
        raise SettingsError(f"{name!r} is no name for a key. Use 1 to 64 letters, digits, and . _ - behind the first.")
    return name


def check_private(folder: Path) -> None:
    """Raises `SettingsError` if others have any right to the folder: they could admit workers, or take keys."""
    if folder.stat().st_mode & OTHERS:
        raise SettingsError(f"The folder of keys {folder} is open to other users. Close it: chmod 700 {folder}")


def read(path: Path, kind: type[KeyFile]) -> KeyFile:
    """A key file. Raises `SettingsError` if it is missing, is none, or can be read by others."""
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            content = tomllib.load(file)
        key = msgspec.convert(content, kind)
    except OSError as error:
        raise SettingsError(f"The key file {path} cannot be read: {error.strerror}.") from error
    except (ValueError, msgspec.ValidationError) as error:
        raise SettingsError(f"{path} is no key file: {error}. Bring or make it again.") from error
    if mode & OTHERS and kind is not PublicKey:
        raise SettingsError(f"The key file {path} is open to other users. Close it (chmod 600 {path}), or make it new.")
    return key


def write(path: Path, key: DispatcherKey | WorkerKey | PublicKey, comment: str) -> None:
    """Write a key file in one step, for its owner alone. Raises `OSError`: `FileExistsError` if it is there."""
    fields = msgspec.to_builtins(key).items()
    text = f"# {comment}\n" + "".join(f'{name} = "{value}"\n' for name, value in fields)
    descriptor, draft = tempfile.mkstemp(dir=path.parent, prefix=".key-")  # For its owner alone, says its contract.
    try:
        with open(descriptor, "w") as file:
            file.write(text)
        os.link(draft, path)
    finally:
        os.unlink(draft)
