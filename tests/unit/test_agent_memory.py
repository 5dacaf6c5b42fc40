"""What a disk may have forgotten, and since when; and how long a prover may stand still."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from meterseal_agent.outbox import memory
from meterseal_agent.outbox.memory import HOLE_S, Memory
from meterseal_agent.outbox.model import Chain, KeptDay, Start
from meterseal_agent.outbox.restoring import Past, Restoring
from meterseal_agent.record import Record
from meterseal_agent.run.committing import AGAIN_CAP_S, AGAIN_S, LOOK_S, PROOF_LIMIT_S
from meterseal_agent.run.duties import Progress
from meterseal_agent.run.status import LIMITS_S
from meterseal_proto.seal import Head
from meterseal_proto.units import IMPORT, MeterId, Quality

METER = MeterId(bytes(16))
BEGAN = 1_790_035_200
LINK, OPENING = bytes([1]) * 32, bytes([2]) * 32


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Restoring]:
    with closing(opened(tmp_path)) as made:
        yield made


def opened(folder: Path, opening: bytes = b"") -> Restoring:
    box = Restoring(folder / "outbox.sqlite", registers=1, network=bytes(32))
    head = Head(3 if opening else 0, LINK, BEGAN, 0)
    box.enrol([Start(METER, IMPORT, 900, 10_000, head, 16, (BEGAN, 5), opening)])
    return box


def chain(box: Restoring) -> Chain:
    (found,) = box.chains()
    return found


def record(box: Restoring, start: int, length: int) -> None:
    one = Record(METER, IMPORT, start, length, 1, 1, Quality.QUESTIONABLE)
    assert box.add([(one, "{}")])


def test_nothing_is_known_of_it_before_the_first_record_since_the_start(
    tmp_path: Path,
) -> None:
    with closing(opened(tmp_path)) as box:
        assert box.memory(chain(box)) is None
        record(box, BEGAN, 900)
        assert box.memory(chain(box)) == Memory()
    with closing(opened(tmp_path)) as again:
        assert again.memory(chain(again)) is None, "a start is a start"


def test_a_pause_of_a_day_is_no_hole_and_a_longer_one_is(box: Restoring) -> None:
    record(box, BEGAN, HOLE_S)
    assert box.memory(chain(box)) == Memory()
    record(box, BEGAN + HOLE_S, HOLE_S + 900)
    since = BEGAN + 2 * HOLE_S + 900
    assert box.memory(chain(box)) == Memory(since)


def test_a_record_of_a_slot_asks_the_disk_nothing_about_the_past() -> None:
    """Two statements a record, 494 records a slot on a full gateway: no third for nothing."""
    statements: list[str] = []
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(
            "CREATE TABLE memories (chain INTEGER PRIMARY KEY, since INTEGER NOT NULL,"
            " opening BLOB, checked INTEGER NOT NULL DEFAULT 0)"
        )
        connection.set_trace_callback(statements.append)
        memory.noticed(connection, 1, BEGAN, BEGAN + 3_600)
        assert statements == []
        memory.noticed(connection, 1, BEGAN, BEGAN + HOLE_S + 1)
        assert memory.of(connection, 1) == Memory(BEGAN + HOLE_S + 1)


def test_a_chain_taken_over_is_known_from_its_head_on(tmp_path: Path) -> None:
    with closing(opened(tmp_path, OPENING)) as box:
        record(box, BEGAN, 900)
        assert box.memory(chain(box)) == Memory(BEGAN, OPENING)
        record(box, BEGAN + 900, HOLE_S + 900)
        assert box.memory(chain(box)) == Memory(BEGAN + 1_800 + HOLE_S, None)
    with closing(opened(tmp_path, OPENING)) as box:
        assert box.remembered(chain(box)).opening is None, "it is taken up once"


def test_a_check_opens_the_past_and_the_pause_it_lies_in_is_no_hole(
    tmp_path: Path,
) -> None:
    with closing(opened(tmp_path, OPENING)) as box:
        checked = BEGAN + 5 * HOLE_S
        box.bring_back(chain(box), Past((), (), LINK, {}), at=checked)
        record(box, BEGAN, 5 * HOLE_S + 900)
        assert box.memory(chain(box)) == Memory(0, LINK, checked)
        record(box, checked + 900, 2 * HOLE_S)
        assert box.memory(chain(box)) == Memory(
            checked + 900 + 2 * HOLE_S, None, checked
        )


def test_past_that_was_not_checked_opens_nothing(tmp_path: Path) -> None:
    with closing(opened(tmp_path, OPENING)) as box:
        box.bring_back(chain(box), Past((), None, LINK, {}), at=BEGAN)
        assert box.remembered(chain(box)) == Memory(BEGAN, OPENING)


def test_days_that_come_back_without_their_openings_stay_closed(
    tmp_path: Path,
) -> None:
    """Whoever enrols could say that the chain had ended before days it had billed."""
    slots = 96
    with closing(opened(tmp_path, OPENING)) as box:
        record(box, BEGAN, 900)
        day = KeptDay(
            *(chain(box).id, 3, BEGAN + 86_400, 900, 0),
            *((7,) * slots, (int(Quality.RAW),) * slots, 0, bytes(32)),
        )
        box.bring_back(chain(box), Past([(day, False)], None, LINK, {}), at=BEGAN)
        assert box.memory(chain(box)) == Memory(BEGAN + 2 * 86_400, OPENING)
        box.bring_back(chain(box), Past([(day, False)], (), LINK, {}), at=BEGAN)
        assert box.memory(chain(box)) == Memory(0, LINK, BEGAN)


def test_the_sampler_goes_on_from_a_state_only_where_it_has_none(
    box: Restoring,
) -> None:
    assert box.go_on(chain(box), "[1]")
    assert not box.go_on(chain(box), "[2]")
    assert set(box.states().values()) == {"[1]"}


def test_an_honest_slow_prover_is_not_standing_still_and_a_dead_one_is() -> None:
    """A proof takes as long as it may, and the pause after the last failure is the longest."""
    limit = LIMITS_S["committed"]
    progress, now, wait = Progress({"committed": limit}, 0.0), 0.0, AGAIN_S
    for turn in range(20):
        assert progress.look({"committed": turn}, now) == []
        now += PROOF_LIMIT_S
        assert progress.look({"committed": turn}, now) == []
        now += max(wait, LOOK_S)
        wait = min(AGAIN_CAP_S, 2 * wait)
        assert progress.look({"committed": turn}, now) == []
    assert progress.look({"committed": 20}, now) == []
    assert progress.look({"committed": 20}, now + limit + 1) == ["committed"]
