"""Both detectors keep the contract, with several options; so does the one in the plugin author's guide."""

import re
from pathlib import Path
from typing import Any

from hypothesis import settings

from mpcsfaas.testing.detector_contract import DetectorContract, DetectorMachine
from mpcsfaas_heartbeat.heartbeat import HeartbeatDetector, HeartbeatOptions
from mpcsfaas_heartbeat.phi_accrual import PhiAccrualDetector, PhiAccrualOptions

CALM = PhiAccrualOptions()
SHARP = PhiAccrualOptions(interval=0.5, threshold=3.0, window=5, min_deviation=0.05, acceptable_pause=0.0, limit=4.0)
GUIDE = (Path(__file__).parents[2] / "docs" / "plugins.md").read_text()


class TestHeartbeat(DetectorContract):
    patience = limit = 5.0

    def make(self) -> HeartbeatDetector:
        return HeartbeatDetector(HeartbeatOptions())


class HeartbeatMachine(DetectorMachine):
    patience = limit = 5.0

    def make(self) -> HeartbeatDetector:
        return HeartbeatDetector(HeartbeatOptions())


class TestQuickHeartbeat(DetectorContract):
    patience = limit = 0.3

    def make(self) -> HeartbeatDetector:
        return HeartbeatDetector(HeartbeatOptions(interval=0.1, limit=0.3))


class TestPhiAccrual(DetectorContract):
    patience, limit = PhiAccrualDetector(CALM).patience, CALM.limit

    def make(self) -> PhiAccrualDetector:
        return PhiAccrualDetector(CALM)


class PhiAccrualMachine(DetectorMachine):
    patience, limit = PhiAccrualDetector(CALM).patience, CALM.limit

    def make(self) -> PhiAccrualDetector:
        return PhiAccrualDetector(CALM)


class TestSharpPhiAccrual(DetectorContract):
    patience, limit = PhiAccrualDetector(SHARP).patience, SHARP.limit

    def make(self) -> PhiAccrualDetector:
        return PhiAccrualDetector(SHARP)


class SharpPhiAccrualMachine(DetectorMachine):
    patience, limit = PhiAccrualDetector(SHARP).patience, SHARP.limit

    def make(self) -> PhiAccrualDetector:
        return PhiAccrualDetector(SHARP)


class TestTheGuidesExample(DetectorContract):
    patience = limit = 60.0

    def make(self) -> Any:
        [source] = re.findall(r"^`patient`: [^\n]*\n\n```python\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)
        names: dict[str, Any] = {"__name__": "patient"}
        exec(source, names)
        return names["PatientDetector"](names["PatientOptions"]())


for machine in (HeartbeatMachine, PhiAccrualMachine, SharpPhiAccrualMachine):
    machine.TestCase.settings = settings(max_examples=50, stateful_step_count=40, deadline=None)
TestHeartbeatMachine = HeartbeatMachine.TestCase
TestPhiAccrualMachine = PhiAccrualMachine.TestCase
TestSharpPhiAccrualMachine = SharpPhiAccrualMachine.TestCase
