"""When the demo's books may be closed: no agent can have another interval to seal."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.outcome import drained, meters_are_missed
from deploy.processes import Processes
from deploy.street import Plan, Street

STOPPED = 1_800_000_000


@pytest.fixture
def street(tmp_path: Path) -> Iterator[Street]:
    with Processes(tmp_path / "logs") as processes:
        made = Street(Plan(tmp_path, homes=2), processes, None, STOPPED - 86_400)
        made.meters = [{}, {}]
        yield made


def say(street: Street, home: int, *, at: int, failures: int) -> None:
    """Let an agent say that nothing waits, and how its meter does."""
    folder = street.agent_folder(home)
    folder.mkdir(exist_ok=True)
    status = {
        "at": at,
        "registers": [{"records": 0, "seals": 0}],
        "meters": [{"failures": failures}],
    }
    (folder / "status.json").write_text(json.dumps(status))


def test_an_agent_whose_meter_answered_last_may_have_an_interval_in_hand(
    street: Street,
) -> None:
    say(street, 0, at=STOPPED + 1, failures=3)
    say(street, 1, at=STOPPED + 1, failures=0)
    assert drained(street, STOPPED)
    assert not meters_are_missed(street, STOPPED)
    say(street, 1, at=STOPPED + 2, failures=1)
    assert meters_are_missed(street, STOPPED)


def test_what_was_said_before_or_not_at_all_does_not_count(street: Street) -> None:
    say(street, 0, at=STOPPED + 1, failures=1)
    assert not meters_are_missed(street, STOPPED)
    say(street, 1, at=STOPPED, failures=1)
    assert not meters_are_missed(street, STOPPED)
    assert not drained(street, STOPPED)
