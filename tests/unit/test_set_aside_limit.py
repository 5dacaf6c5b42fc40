"""What an agent's nonsense may fill in a day is bounded, and nothing honest is lost by it."""

from collections import Counter
from pathlib import Path

from meterseal_aggregator.intake import allowance
from meterseal_aggregator.intake.allowance import LINKS_A_DAY, Allowances
from meterseal_proto.errors import Reason
from tests.support.devices import BEGAN_AT, Device, Sent, device
from tests.support.frontdesk import FrontDesk, front_desk

DAY_S = 86_400


def nonsense(one: Device, count: int) -> list[Sent]:
    """Return seals that are rightly signed and tell of time off the grid."""
    found = []
    for _ in range(count):
        record = one.records([1])[0]
        sent = one.seal([type(record)(BEGAN_AT + 1, 1, record.value, record.quality)])
        one.answered(sent, Reason.OFF_GRID)
        found.append(sent)
    return found


async def said(desk: FrontDesk, sent: list[Sent], agent: str = "pi-1") -> Counter[str]:
    answers = await desk.answers(*(one.by(agent) for one in sent))
    return Counter(answers.values())


async def test_beyond_its_allowance_an_agents_nonsense_waits_for_tomorrow(
    tmp_path: Path,
) -> None:
    bad, other = device(1), device(2, agent="pi-2")
    async with front_desk(tmp_path, [bad, other]) as desk:
        sent = nonsense(bad, LINKS_A_DAY + 3)
        half = LINKS_A_DAY // 2
        assert await said(desk, sent[:half]) == {"off-grid": half}
        rest = await said(desk, sent[half:])
        # The two after the first that is too many do not follow the chain any more.
        assert rest == {
            "off-grid": LINKS_A_DAY - half,
            "too-early": 1,
            "out-of-order": 2,
        }
        links = "SELECT count(*) FROM quarantine WHERE chained = 1"
        assert await desk.rows(links) == [(LINKS_A_DAY,)]
        assert await said(desk, nonsense(other, 1), "pi-2") == {"off-grid": 1}
        desk.now += DAY_S
        assert await said(desk, sent[-3:]) == {"off-grid": 3}
        assert not Reason.TOO_EARLY.final


async def test_an_honest_seal_is_taken_from_whoever_spent_the_allowance(
    tmp_path: Path,
) -> None:
    bad, honest = device(1), device(2)
    async with front_desk(tmp_path, [bad, honest]) as desk:
        await said(desk, nonsense(bad, LINKS_A_DAY))
        assert await said(desk, [honest.tell(5)]) == {"durable": 1}


def test_a_batch_that_was_not_kept_drew_on_nothing() -> None:
    books = Allowances()
    today = books.on(7)
    assert today.of("pi-1").take()
    assert books.on(7).of("pi-1").left == LINKS_A_DAY
    books.keep(today)
    assert books.on(7).of("pi-1").left == LINKS_A_DAY - 1
    assert books.on(8).of("pi-1").left == LINKS_A_DAY
    assert books.on(7).of("pi-2").left == LINKS_A_DAY
    assert allowance.Allowance(0).take() is False
