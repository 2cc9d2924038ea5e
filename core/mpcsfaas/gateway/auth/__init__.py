"""Who may come in, and as whom."""

from mpcsfaas.gateway.auth.door import Door

__all__ = ["Door"]
