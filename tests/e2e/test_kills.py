"""kill -9 of agent, aggregator and broker at random leaves the equations exact."""

from pathlib import Path

import pytest

from tests.e2e.kills import Damage, audit, heal, kill_at_random, running_street, waiting
from tests.support.mosquitto import mosquitto_path
from tests.support.seed import SEED

CYCLES = 60
HOMES = 3
SPEED = 1200.0


@pytest.mark.parametrize("through", ["the embedded endpoint", "Mosquitto"])
def test_sixty_kills_leave_the_equations_exact(tmp_path: Path, through: str) -> None:
    path = mosquitto_path() if through == "Mosquitto" else None
    damage = Damage(seed=SEED)
    with running_street(tmp_path, path, homes=HOMES, speed=SPEED) as street:
        kill_at_random(street, damage, CYCLES)
        outcome = heal(street)
        findings = audit(street)
        left = waiting(street)
    assert damage.total == CYCLES
    assert outcome.register_import_wh == outcome.import_wh
    assert outcome.register_export_wh == outcome.export_wh
    assert outcome.holds, outcome
    assert left == 0
    assert findings
    assert all(finding["ok"] for finding in findings), findings
