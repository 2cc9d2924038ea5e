"""Who may come in, and as whom."""

from mpcsfaas.gateway.auth.door import Door
from mpcsfaas.gateway.auth.keyring import Keyring
from mpcsfaas.gateway.auth.keys import ApiKey

__all__ = ["ApiKey", "Door", "Keyring"]
