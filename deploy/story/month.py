"""A month of committed days on the chain, each under its seal; what a house used in them.

Days are sealed by our own proto and proved to the story's own books; the contract sees a
commitment a day. What they cost is billed by the aggregator's duties (`bills`). This module
must never open a day.
"""

from datetime import UTC, datetime, timedelta
from typing import Final

from deploy.chain_meters import Json
from deploy.story.bills import provided, tell_tariff
from deploy.story.house import House, settle, tell
from deploy.story.scene import DAY, GENESIS, HOUR, Scene
from deploy.story.walk import Step
from meterseal_aggregator.stacks.calls import meterdata, roles

SLOTS: Final = 96
WINDOW: Final = 600
"""Seconds in which a day may be corrected before it counts, for the story."""


def usage(day: int, house: int = 0) -> list[int]:
    """Return what a house uses in the quarter hours of a day, Wh."""
    return [20 + (slot * 7 + day * 13 + house * 5) % 160 for slot in range(SLOTS)]


async def month(scene: Scene) -> None:
    """Let the month after this one pass, and bring each of its days before the contract."""
    at, walk = scene.at, scene.walk
    walk.chapter("A month of committed days, each checked on chain, none readable")
    window = roles.set_parameter(at, "correction-window", WINDOW, scene.now() + HOUR)
    await scene.does("admin", window, "ten minutes, for the story")
    begin, days = whole_month(scene.now() + DAY)
    home = scene.people["home"]
    scene.meter("house")
    meter = scene.street.meters["house"]
    scene.house = house = House(walk.books, GENESIS, meter, begin, 0)
    await settle(house, home.account, tell_tariff(begin), now=scene.now())
    await provided(scene, house)
    walk.later(begin + days * DAY - scene.now(), f"{days} days are metered")
    used = [usage(n) for n in range(days)]
    sealed = [_day(scene, begin + n * DAY, values) for n, values in enumerate(used)]
    await tell(house, sealed, used, now=scene.now())
    await scene.anchor()
    proofs = [
        meterdata.submit_usage_proof(at, scene.sealed(day, "house"), scene.place(day))
        for day in sealed
    ]
    notes = [f"day {n} of {days}" for n in range(1, days + 1)]
    await walk.do([Step(home, *one) for one in zip(proofs, notes, strict=True)])
    await scene.refused("home", proofs[3], 1004, "a header replayed")


def whole_month(after: int) -> tuple[int, int]:
    """Return the first second of the first month that begins after a second, and its days."""
    first = (datetime.fromtimestamp(after, UTC).replace(day=1) + timedelta(32)).replace(
        day=1, hour=0, minute=0, second=0, microsecond=0
    )
    last = (first + timedelta(32)).replace(day=1)
    return int(first.timestamp()), (last - first).days


def _day(scene: Scene, first: int, values: list[int], meter: str = "house") -> Json:
    asked = {"meter": meter, "register": "import", "first": first, "values": values}
    return scene.street.day(asked)


def day_of(scene: Scene, house: int, first: int) -> Json:
    """Seal a day of one of the community's houses."""
    day = first // DAY
    return _day(scene, first, usage(day, house), f"house {house}")
