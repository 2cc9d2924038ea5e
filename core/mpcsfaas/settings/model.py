"""The platform's own settings: their types, defaults and meaning."""

import os
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ByteSize, ConfigDict, Field, SecretStr

MEBIBYTE = 2**20


def xdg_folder(variable: str, default: str) -> Path:
    """Our folder in the one that an XDG variable names; a relative path there is to be ignored, says XDG."""
    folder = Path(os.environ.get(variable, ""))
    return (folder if folder.is_absolute() else Path.home() / default) / "mpcsfaas"


def state_folder() -> Path:
    """Where state is kept, unless it is said otherwise."""
    return xdg_folder("XDG_STATE_HOME", ".local/state")


def _default_storage(values: dict[str, Any]) -> str:
    return f"sqlite:///{values['state_dir']}/mpcsfaas.db"


def _absolute(path: Path) -> Path:
    try:
        return path.expanduser().absolute()
    except RuntimeError as error:
        raise ValueError(f"{error}; name the folder itself, from / on") from error


Folder = Annotated[Path, AfterValidator(_absolute)]


class Settings(BaseModel):
    """The platform's own settings. Durations are seconds; sizes are bytes, also written as `64MB` or `64MiB`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str = Field("127.0.0.1", description="Address that the gateway listens on.")
    port: int = Field(8000, ge=0, le=65535, description="Port that the gateway listens on; 0 picks a free one.")
    allowed_hosts: tuple[str, ...] = Field(
        (), description="Name, beside localhost and the host's own, by which the gateway is reached; * for any."
    )
    require_keys: bool = Field(False, description="Let in nobody without an API key, even while there are none.")
    behind_proxy: bool = Field(
        False, description="A proxy that speaks TLS to its clients stands before the gateway; so keys are demanded."
    )
    tls_certificate: Folder | None = Field(None, description="File with the gateway's certificate and its chain (PEM).")
    tls_key: Folder | None = Field(None, description="File with the private key of the certificate (PEM).")
    allow_functions: Folder | None = Field(
        None, description="File with the ids of the functions that may be registered, one a line; if none, any may be."
    )
    audit_log: str | None = Field(
        None,
        description="File for the audit log: who changed what, when and from where; - for standard error.",
    )
    insecure_open_to_network: bool = Field(
        False, description="Let in everybody who reaches the gateway: each can run any code on every worker."
    )
    url: str = Field("http://127.0.0.1:8000", description="Gateway that client commands talk to.")
    api_key: SecretStr | None = Field(None, description="API key that client commands send.")
    state_dir: Folder = Field(default_factory=state_folder, description="Folder for what must outlive a restart.")
    storage: str = Field(default_factory=_default_storage, description="URL of the storage; its scheme is a plugin.")
    seal_key: Folder | None = Field(
        None, description="File with the key by which gateways and dispatchers know what they put into the storage."
    )
    plugins: tuple[str, ...] = Field((), description="Plugin to use; repeat it for more than one.")
    dashboard: bool = Field(True, description="Whether `up` shows how the platform does, on a web page at /.")
    worker_key: Folder | None = Field(
        None, description="Key file of a worker whose dispatcher is another user's or another machine's."
    )
    insecure_plaintext: bool = Field(
        False, description="Let dispatcher and workers speak over TCP without keys, for whoever is in the network."
    )
    max_body: ByteSize = Field(ByteSize(64 * MEBIBYTE), gt=0, description="Largest body of a request.")
    max_payload: ByteSize = Field(ByteSize(16 * MEBIBYTE), gt=0, description="Largest function, arguments or result.")
    deadline: float | None = Field(None, gt=0, description="Limit of a task that brings no deadline of its own.")
    lease: float = Field(10.0, gt=0, description="How long a dead dispatcher's tasks stay with it.")
    drain_timeout: float = Field(30.0, ge=0, description="How long a dispatcher that ends waits for running tasks.")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level that is logged.")
    log_format: Literal["text", "json"] = Field("text", description="Form of a line of the log.")
