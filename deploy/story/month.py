"""A month of committed days on the chain, each under its seal; what a house used in them.

Days are sealed by our own proto and proved to the story's own books; the contract sees a
commitment a day. What they cost is billed by the aggregator's duties (`bills`). This module
must never open a day.
"""

from datetime import UTC, datetime, timedelta
from typing import Final

from deploy.chain_meters import Json
from deploy.story.beginning import METERS
from deploy.story.bills import provided, tell_tariff
from deploy.story.coin import USD
from deploy.story.house import House, settle, tell
from deploy.story.scene import DAY, GENESIS, HOUR, Scene
from deploy.story.walk import Step
from meterseal_aggregator.stacks.calls import meterdata, roles

SLOTS: Final = 96
WINDOW: Final = 600
"""Seconds in which a day may be corrected before it counts, for the story."""
FLATS: Final = ("flat", "shed")
"""Where somebody moves in for the month's last days; they are billed in a stablecoin."""
FLAT_DAYS: Final = 2


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
    end = begin + days * DAY
    house = scene.house = await _moved_in(scene, "house", begin, "STX")
    for name in FLATS:
        scene.flats[name] = await _moved_in(scene, name, end - FLAT_DAYS * DAY, USD)
    await provided(scene, house)
    walk.later(end - scene.now(), f"{days} days are metered")
    houses = (house, *scene.flats.values())
    for n, one in enumerate(houses):
        await _metered(scene, one, end, n)
    await scene.anchor()
    proofs = [step for one in houses for step in _proofs(scene, one)]
    await walk.do(proofs)
    again = proofs[3]
    await walk.refused(again.who, again.call, 1004, "a header replayed")


async def _moved_in(scene: Scene, name: str, begin: int, currency: str) -> House:
    """Let somebody be supplied from a second on, at the story's prices in a currency."""
    scene.meter(name)
    meter, owner = scene.street.meters[name], METERS[name]
    house = House(scene.walk.books, GENESIS, meter, owner, begin)
    tariff = tell_tariff(begin, currency)
    await settle(house, scene.people[owner].account, tariff, now=scene.now())
    return house


async def _metered(scene: Scene, house: House, end: int, number: int) -> None:
    """Seal a house's days up to a second, and have them proved."""
    name, days = house.meter.name, range((end - house.begin) // DAY)
    used = [usage(n, number) for n in days]
    sealed = [
        seal_day(scene, house.begin + n * DAY, values, name)
        for n, values in enumerate(used)
    ]
    await tell(house, sealed, used, now=scene.now())


def _proofs(scene: Scene, house: House) -> list[Step]:
    """Return the steps that bring a house's days before the contract."""
    who, name, count = scene.people[house.owner], house.meter.name, len(house.days)
    return [
        Step(
            who,
            meterdata.submit_usage_proof(
                scene.at, scene.sealed(day, name), scene.place(day)
            ),
            f"day {n} of {count}, {name}",
        )
        for n, day in enumerate(house.days, 1)
    ]


def whole_month(after: int) -> tuple[int, int]:
    """Return the first second of the first month that begins after a second, and its days."""
    first = (datetime.fromtimestamp(after, UTC).replace(day=1) + timedelta(32)).replace(
        day=1, hour=0, minute=0, second=0, microsecond=0
    )
    last = (first + timedelta(32)).replace(day=1)
    return int(first.timestamp()), (last - first).days


def seal_day(scene: Scene, first: int, values: list[int], meter: str) -> Json:
    """Seal a committed day of a meter, by its name."""
    asked = {"meter": meter, "register": "import", "first": first, "values": values}
    return scene.street.day(asked)


def day_of(scene: Scene, house: int, first: int) -> Json:
    """Seal a day of one of the community's houses."""
    day = first // DAY
    return seal_day(scene, first, usage(day, house), f"house {house}")
