"""The base of worker links that connect to a dispatcher's ZMQ socket."""

from mpcsfaas.curve import CurveOptions, owner_of
from mpcsfaas.interfaces import LinkedAgent, PluginOptions, WorkerLink
from mpcsfaas.sockets import check_url


class ConnectingLink(WorkerLink):
    """A link that shows its worker's key, where its dispatcher wants one."""

    def __init__(self, url: str, options: PluginOptions, agent: LinkedAgent) -> None:
        """Raises `SettingsError` for a URL or a key that cannot be used."""
        super().__init__(check_url(url), options, agent)
        self.key = (options if isinstance(options, CurveOptions) else CurveOptions()).key(url)
        self.owner = owner_of(self.key.name) if self.key else ""
