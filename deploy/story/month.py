"""A month of thirty committed days, a bill computed from their opened sum, its payment.

Days are sealed and proved by our own proto; the contract adds their commitments, checks
the opening and the tariff, and only then is there a bill. This module must never open
more than the month's sum.
"""

from dataclasses import replace
from typing import Final

from deploy.chain_meters import IMPORT, Json
from deploy.story.scene import DAY, HOUR, Month, Scene, digest, index, raw, some
from deploy.story.walk import Step, number
from meterseal_aggregator.stacks.calls import billing, meterdata, payment, roles
from meterseal_proto.chainproof import Opening
from meterseal_proto.chainproof import Step as Sum
from meterseal_proto.chaintariff import Terms, chain_tariff_hash
from meterseal_proto.clarity import List, Ok, UInt
from meterseal_proto.tariff import MicroPerKwh
from meterseal_proto.totalstariff import UNLIMITED, Block, Kind, TotalsTariff

DAYS: Final = 30
SLOTS: Final = 96
WINDOW: Final = 600
"""Seconds in which a day may be corrected before it counts, for the story."""
DUE: Final = 14 * DAY
PARTIAL: Final = 1_000
"""Micro-STX left for a second payment."""


def usage(day: int, house: int = 0) -> list[int]:
    """Return what a house uses in the quarter hours of a day, Wh."""
    return [20 + (slot * 7 + day * 13 + house * 5) % 160 for slot in range(SLOTS)]


def tariff(begin: int) -> TotalsTariff:
    """Return the tariff of the story from `begin` on: two blocks and a daily charge."""
    low, high = MicroPerKwh(500_000), MicroPerKwh(1_000_000)
    blocks = (Block(100_000, low), Block(UNLIMITED, high))
    return TotalsTariff("month", "STX", "UTC", begin, Kind.BLOCK, blocks, 10_000)


def terms(scene: Scene) -> Terms:
    """Return what the tariff's document does not say."""
    return Terms(scene.who("provider"), None, DUE)


async def month(scene: Scene) -> None:
    """Post a tariff, let thirty days pass, and bring each before the contract."""
    at = scene.at
    scene.walk.chapter(
        "A month: 30 committed days, each checked on chain, none readable"
    )
    window = roles.set_parameter(at, "correction-window", WINDOW, scene.now() + HOUR)
    await scene.does("admin", window, "ten minutes, for the story")
    begin = -(-(scene.now() + 2 * HOUR) // DAY) * DAY
    posted = billing.post_tariff(at, tariff(begin), terms(scene))
    await scene.does("provider", posted, "two blocks and a daily charge")
    scene.walk.later(begin + DAYS * DAY - scene.now(), "thirty days are metered")
    days = tuple(_day(scene, begin + n * DAY, usage(n)) for n in range(DAYS))
    await scene.anchor()
    home = scene.people["home"]
    proofs = [
        meterdata.submit_usage_proof(at, scene.sealed(day, "house"), scene.place(day))
        for day in days
    ]
    notes = [f"day {n} of {DAYS}" for n in range(1, DAYS + 1)]
    await scene.walk.do([Step(home, *one) for one in zip(proofs, notes, strict=True)])
    await scene.refused("home", proofs[3], 1004, "a header replayed")
    scene.month = Month(begin, days)


def _day(scene: Scene, first: int, values: list[int], meter: str = "house") -> Json:
    asked = {"meter": meter, "register": "import", "first": first, "values": values}
    return scene.street.day(asked)


async def bills(scene: Scene) -> None:
    """Compute the month's bill on the chain, refuse two wrong ones, pay in two parts."""
    some(scene.month, "month")
    assert scene.month is not None
    scene.walk.chapter(
        "The bill is computed from the month's opened sum, and paid in time"
    )
    scene.walk.later(2 * WINDOW, "the window to correct a day is over")
    at, asked = scene.at, _asked(scene, scene.month)
    unasked = billing.calculate_bills(at, [asked])
    await scene.refused("provider", unasked, 1300, "the owner did not let the provider")
    let = billing.let_provider(
        at, asked.meter, scene.who("provider"), scene.now() + DAY
    )
    await scene.does("home", let)
    dear = replace(asked, amount=asked.amount + 1)
    above = billing.calculate_bills(at, [dear])
    await scene.refused("provider", above, 1310, "one micro-STX above tariff x usage")
    lied = replace(asked.opening, value=asked.opening.value + 1)
    wrong = billing.calculate_bills(at, [replace(asked, opening=lied)])
    await scene.refused("provider", wrong, 1100, "another usage does not open the sum")
    made = await scene.does("provider", unasked, "30 commitments added on chain")
    assert isinstance(made, List)
    await _paid(scene, number(made.items[0]), asked.amount)
    kept = billing.post_bill_hash(at, digest("a salted bill kept elsewhere"))
    await scene.does("provider", kept, "a bill kept elsewhere")


def _asked(scene: Scene, of: Month) -> billing.AskedBill:
    """Return the bill of a month whose sum its device opened."""
    found = scene.street.open({"indexes": [index(day) for day in of.days]})
    wh, rows = int(str(found["usage"])), found["steps"]
    assert isinstance(rows, list)
    sums = tuple(
        Sum(*(raw(row, name) for name in ("p", "q", "s", "l"))) for row in rows
    )
    amount = tariff(of.begin).charge(wh, DAYS)
    scene.walk.say(f"     the sum opens to {wh} Wh, {amount} micro-STX at the tariff")
    return billing.AskedBill(
        chain_tariff_hash(tariff(of.begin), terms(scene)), scene.meter("house"), IMPORT,
        of.begin, of.begin + DAYS * DAY, sums, Opening(wh, raw(found, "z"), b""), amount,
    )  # fmt: skip


async def _paid(scene: Scene, bill: int, amount: int) -> None:
    """Pay in two parts, and see the reward for paying in time."""
    at = scene.at
    part = payment.pay_bill(at, bill, amount - PARTIAL, None)
    await scene.does("home", part, "in part")
    rest = payment.pay_bill(at, bill, PARTIAL, None)
    await scene.does("home", rest, "and the rest, in time")
    reward = await scene.walk.reads(at, "payment.reward-of", UInt(amount))
    await scene.sees(
        "utility-token.get-balance", (scene.who("home"),), Ok(reward),
        f"{number(reward)} millionths of a utility token for paying in time",
    )  # fmt: skip


def day_of(scene: Scene, house: int, first: int) -> Json:
    """Seal a day of one of the community's houses."""
    day = first // DAY
    return _day(scene, first, usage(day, house), f"house {house}")
