"""The check of `mpcsfaas doctor` that concerns the sandbox of tasks."""

from collections.abc import Iterator

from mpcsfaas.cli.findings import Finding, fail, ok
from mpcsfaas.errors import MpcsfaasError
from mpcsfaas.plugins import Kind, Plugins
from mpcsfaas.settings import Configuration
from mpcsfaas.worker.agent_options import AgentOptions
from mpcsfaas.worker.options import PoolOptions


def check_sandbox(configuration: Configuration) -> Iterator[Finding]:
    """Where the settings demand a sandbox, this machine permits it; nothing is said where they do not."""
    try:
        for options in _pools(configuration):
            if options.sandbox:
                options.confinement().check()
                network = "with" if options.sandbox_network else "without"
                yield ok("sandbox", f"{options.sandbox} works, {network} the network")
    except MpcsfaasError as error:
        yield fail("sandbox", str(error), "Correct it: workers do not start so.")


def _pools(configuration: Configuration) -> Iterator[PoolOptions]:
    """The options of a worker, and of the strategy if it runs tasks itself."""
    strategy = Plugins.select(configuration.settings.plugins).plugin(Kind.STRATEGY)
    for name, model in (("worker", AgentOptions), (strategy.name, strategy.options)):
        options = configuration.options(name, model)
        if isinstance(options, PoolOptions):
            yield options
