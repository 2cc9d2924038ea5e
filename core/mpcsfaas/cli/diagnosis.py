"""Everything that `mpcsfaas doctor` examines, in order."""

from collections.abc import Iterator

from mpcsfaas.cli.findings import Finding, fail, ok
from mpcsfaas.cli.gateway import find_address
from mpcsfaas.cli.machine_checks import check_machine
from mpcsfaas.cli.platform_checks import check_gateway, check_plugins, check_storage
from mpcsfaas.cli.safety_checks import check_openness, check_secrets
from mpcsfaas.cli.sandbox_checks import check_sandbox
from mpcsfaas.errors import MpcsfaasError
from mpcsfaas.settings import Configuration, Settings


def examine(url: str | None) -> Iterator[Finding]:
    """Examine this machine, the settings and the platform. What depends on broken settings is left out."""
    try:
        configuration = Configuration.read()
        address = find_address(url)
    except MpcsfaasError as error:
        yield from check_machine(Settings().state_dir)
        yield fail("settings", str(error), "Correct it, and run this again.")
        return
    yield from check_machine(configuration.settings.state_dir)
    yield ok("settings", "can be used")
    yield check_secrets(configuration.settings)
    yield check_openness(configuration.settings)
    yield check_plugins()
    yield from check_sandbox(configuration)
    yield check_storage(configuration)
    yield from check_gateway(address)
