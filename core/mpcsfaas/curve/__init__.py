"""Who a worker is, and that nobody else hears it: CURVE keys, their files, and who is admitted with one.

A dispatcher has one key, by whose public part its workers know it. Each worker has a key, whose public part is in the
dispatcher's list. One user on one machine shares a state folder, in which both are made on first use.
"""

from mpcsfaas.curve.admission import Doorkeeper
from mpcsfaas.curve.allow_list import AllowList
from mpcsfaas.curve.handshakes import HandshakeWatch
from mpcsfaas.curve.key_files import DispatcherKey, WorkerKey, owner_of
from mpcsfaas.curve.keyring import Keyring
from mpcsfaas.curve.options import CurveOptions

__all__ = [
    "AllowList",
    "CurveOptions",
    "DispatcherKey",
    "Doorkeeper",
    "HandshakeWatch",
    "Keyring",
    "WorkerKey",
    "owner_of",
]
