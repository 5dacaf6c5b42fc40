"""A year of real water meters: no litre is lost, none is negative, each break has a reason."""

from pathlib import Path

from meterseal_proto.errors import Reason
from tests.support.waterworks import backward, replayed, year

METERS = 5
"""In every run; all 92 are replayed by `make bench ROOM=water`."""


async def test_the_meters_that_step_backward_most_lose_no_litre(tmp_path: Path) -> None:
    found = year()
    worst = sorted(found, key=lambda n: backward(found[n]), reverse=True)[:METERS]
    assert [backward(found[n]) for n in worst] == [125, 35, 5, 4, 3]
    async with replayed(tmp_path, {n: found[n] for n in worst}) as (desk, told):
        for number, one in told.items():
            assert one.kept, (number, one)
            assert one.least >= 0
            assert one.last == found[number][-1][1]
            assert {cause for *_, cause in one.steps} <= {
                Reason.BACKWARD_REGISTER,
                Reason.CAPACITY,
            }
        assert sum(len(one.steps) for one in told.values()) > METERS
        ((kept,),) = await desk.rows(
            "SELECT count(*) FROM quarantine WHERE chained = 1"
        )
        assert kept == sum(len(one.steps) for one in told.values())
