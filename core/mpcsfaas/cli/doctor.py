"""`mpcsfaas doctor`: is everything as it must be, and if not, what to do."""

from typing import TYPE_CHECKING

import typer

from mpcsfaas.cli.errors import FAILED
from mpcsfaas.cli.gateway import Json, Url
from mpcsfaas.cli.rendering import print_json

if TYPE_CHECKING:
    from mpcsfaas.cli.findings import Finding

app = typer.Typer()

COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}


@app.command()
def doctor(url: Url = None, as_json: Json = False) -> None:
    """Check this machine, the settings and the platform: a line each, with what to do. Exits with 1 if one fails.

    Example: mpcsfaas doctor --url http://127.0.0.1:8000
    """
    from mpcsfaas.cli.diagnosis import examine

    findings = []
    for finding in examine(url):
        findings.append(finding)
        if not as_json:
            _print(finding)
    if as_json:
        print_json([finding._asdict() for finding in findings])
    if any(finding.status == "fail" for finding in findings):
        raise typer.Exit(FAILED)


def _print(finding: "Finding") -> None:
    status = typer.style(f"{finding.status:4}", fg=COLOURS[finding.status], bold=True)
    typer.echo(f"{status}  {finding.subject:12}  {finding.detail}")
    if finding.fix:
        typer.echo(f"{'':20}→ {finding.fix}")
