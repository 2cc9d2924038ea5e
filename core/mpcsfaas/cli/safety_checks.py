"""The checks of `mpcsfaas doctor` that concern who else may come in."""

import os
from collections.abc import Iterator
from pathlib import Path

from mpcsfaas.cli.findings import Finding, fail, ok, warn
from mpcsfaas.settings import Settings, flag_of, read_document

INSECURE = {
    "insecure_open_to_network": "everybody who reaches the gateway can run code on every worker",
    "insecure_plaintext": "everybody in the network can read tasks, and register as a worker or a dispatcher",
}
"""Settings that let strangers in, and what that means."""


def check_openness(settings: Settings) -> Finding:
    """Nothing that keeps strangers out is switched off."""
    chosen = [name for name in INSECURE if getattr(settings, name)]
    if chosen:
        detail = "; ".join(f"{name}: {INSECURE[name]}" for name in chosen)
        return warn("openness", detail, f"Drop {', '.join(map(flag_of, chosen))}; see keys create and worker-keys.")
    return ok("openness", "nothing that keeps strangers out is switched off")


def check_secrets(settings: Settings) -> Finding:
    """Files with keys and passwords are there, and nobody else can read them."""
    files = list(dict.fromkeys(_secret_files(settings)))
    missing = [path for path in files if not os.access(path, os.R_OK)]
    if missing:
        named = ", ".join(map(str, missing))
        return fail("secrets", f"cannot be read: {named}", "Correct the setting that names it, or its permissions.")
    exposed = [str(path) for path in files if path.stat().st_mode & 0o077]
    if exposed:
        return fail("secrets", f"open to other users: {', '.join(exposed)}", f"chmod go= {' '.join(exposed)}")
    return ok("secrets", f"for nobody else: {', '.join(map(str, files))}" if files else "none in files of the settings")


def _secret_files(settings: Settings) -> Iterator[Path]:
    document = read_document(None)
    if document.path and ("api_key" in document.content or "@" in str(document.content.get("storage", ""))):
        yield document.path
    yield from filter(None, (settings.worker_key, settings.seal_key, settings.tls_key))
