"""The tables of options are complete and true."""

import re
from pathlib import Path

import pytest

from mpcsfaas.cli.configured import default_text
from mpcsfaas.interfaces import PluginOptions
from mpcsfaas_heartbeat.heartbeat import HeartbeatOptions
from mpcsfaas_heartbeat.phi_accrual import PhiAccrualDetector, PhiAccrualOptions

PAGE = (Path(__file__).parents[2] / "docs" / "failure_detection.md").read_text()


@pytest.mark.parametrize(("name", "model"), [("heartbeat", HeartbeatOptions), ("phi_accrual", PhiAccrualOptions)])
def test_each_option_has_its_row_and_no_row_is_left_over(name: str, model: type[PluginOptions]) -> None:
    section = PAGE.partition(f"## `{name}`\n")[2].partition("\n## ")[0]
    defaults = {option: default_text(model, option) for option in model.model_fields}

    assert re.findall(r"^\| `.*", section, re.MULTILINE) == [
        f"| `{option}` |{f' `{default}`' if default else ''} | {model.model_fields[option].description} |"
        for option, default in defaults.items()
    ]


def test_the_first_suspicion_is_as_told() -> None:
    [told] = re.findall(r"a regular worker is suspected after ([\d.]+) s", PAGE)

    assert float(told) == pytest.approx(PhiAccrualDetector(PhiAccrualOptions()).patience, abs=0.05)
