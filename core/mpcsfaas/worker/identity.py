"""Another user's identity, taken on by children so that what they run cannot touch what is the worker's."""

import ctypes
import os
import pwd
import sys

from msgspec import Struct

from mpcsfaas.errors import SettingsError

_LIBC = ctypes.CDLL(None)
_PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS = 4, 38


class Identity(Struct, frozen=True):
    """A user, as the kernel and as programs know one."""

    name: str
    uid: int
    gid: int
    groups: tuple[int, ...]
    home: str

    @classmethod
    def of(cls, name: str) -> "Identity":
        """The user's of this machine. Raises `SettingsError` if there is none, or this process may not become one."""
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            raise SettingsError(
                f"child_user names {name!r}, and this machine has no such user. Create one: useradd --system {name}"
            ) from None
        if os.geteuid() != 0:
            raise SettingsError(
                f"child_user={name} needs a worker that runs as root, and this one runs as user {os.geteuid()}. "
                "Start it as root, or leave child_user out."
            )
        if user.pw_uid == 0:
            raise SettingsError(f"child_user={name} is root itself, which separates nothing. Name another user.")
        return cls(name, user.pw_uid, user.pw_gid, tuple(os.getgrouplist(name, user.pw_gid)), user.pw_dir)

    def take_on(self, folder: str) -> None:
        """Become this user, for good: no program that is started can give more rights. `folder` becomes the user's.

        Raises `SettingsError` if the user cannot read what is to be imported.
        """
        importable = [path for path in sys.path if os.path.exists(path)]
        os.chown(folder, self.uid, self.gid)
        os.setgroups(self.groups)
        os.setresgid(self.gid, self.gid, self.gid)
        os.setresuid(self.uid, self.uid, self.uid)
        _LIBC.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        _LIBC.prctl(_PR_SET_DUMPABLE, 1, 0, 0, 0)  # else the kernel keeps its own /proc/self from the child
        os.environ.update(HOME=self.home, USER=self.name, LOGNAME=self.name)
        if closed := [path for path in importable if not os.access(path, os.R_OK)]:
            raise SettingsError(
                f"child_user={self.name} cannot read folders that modules are imported from: {', '.join(closed)}. "
                "Let that user read them, or install Python and mpcsfaas where it can."
            )
