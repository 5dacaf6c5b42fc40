"""The month's bill by the oracle's own duties: opened by its device, billed, computed, paid.

Nobody calls the contracts by hand but the member, with what he is shown: the duties want
every other deed, the outbox sends it, the indexer hears it, and the ledger moves by what was
heard. This module must never want a deed for the provider itself, but a wrong one.
"""

import time
from typing import Final

from deploy.chain_meters import IMPORT
from deploy.story.coin import USD, coin
from deploy.story.house import House, answer
from deploy.story.scene import DAY, Scene, some
from deploy.story.walk import PUSHES, Stumbled
from meterseal_aggregator.billing.chain import check as chain_check
from meterseal_aggregator.billing.chain import duty, nodecheck, show, store
from meterseal_aggregator.billing.chain.ask import open_on_chain
from meterseal_aggregator.billing.chain.follow import Follow
from meterseal_aggregator.billing.chain.model import (
    NATIVE,
    ChainBill,
    Moment,
    OpenWish,
    Till,
)
from meterseal_aggregator.billing.chain.tokens import FollowTokens
from meterseal_aggregator.billing.private import check as private_check
from meterseal_aggregator.billing.private import duty as private
from meterseal_aggregator.billing.statements import store as bills
from meterseal_aggregator.ledger import check as ledger_check
from meterseal_aggregator.stacks.calls import billing
from meterseal_aggregator.stacks.mirror.indexer import index_once
from meterseal_aggregator.stacks.outbox.run import run_once
from meterseal_aggregator.stacks.wallet.membercalls import made
from meterseal_aggregator.storage.finding import Finding
from meterseal_proto.chainproof import Opening, opening, steps
from meterseal_proto.clarity import Ok, UInt, decode
from meterseal_proto.errors import Unavailable
from meterseal_proto.rating.components import (
    Block,
    Fixed,
    Flat,
    Milli,
    Per,
    Price,
    Proration,
    Tier,
)
from meterseal_proto.rating.tariff import Commodity, FullTariff, Rule, Split
from meterseal_proto.seal import parse_header

WINDOW: Final = 1_200
"""Twice the window in which a day of the story may be corrected."""
TRIES: Final = 20
"""Times that contracts are asked on a busy machine, where blocks come four a second."""
PARTIAL: Final = 1_000
"""Micro-STX left for a second payment."""
PRICE: Final = Price(500_000)
"""Millionths of a dollar a kWh."""
TARIFFS: Final = 2
"""What the house and the flats are billed by."""
DONE: Final = {
    "bill-tariff": "billing.post-tariff",
    "bill-hash": "billing.post-bill-hash",
    "bill-made": "billing.calculate-bills",
    "bill-quote": "payment.quote-bill",
    "bill-refund": "payment.refund-excess",
    "bill-day": "meter-data.submit-usage-proof",
}
"""What a deed of the duties does, by the beginning of its name."""
_DEEDS: Final = """
SELECT d.deed, s.txid, s.result FROM deeds d JOIN seen s ON s.deed_id = d.id
WHERE d.state = 'confirmed' AND d.deed LIKE 'bill-%' ORDER BY d.id
"""


def tell_tariff(begin: int, currency: str) -> FullTariff:
    """Return the tariff of a currency: a price and a charge per day, rounded down.

    In STX of two blocks. A part of a month has part of a block here, and a whole one there.
    """
    tiers = (Tier(Price(500_000), Milli(100_000)), Tier(Price(1_000_000)))
    energy = Block("energy", tiers) if currency == NATIVE else Flat("energy", PRICE)
    standing = Fixed("standing", Price(10_000), Per.DAY, Proration.DAYS)
    return FullTariff(
        f"month-{currency.lower()}", currency, "UTC", begin, Commodity.ELECTRICITY,
        (energy, standing), Rule.DOWN, Split.PROPORTION, minor=6,
    )  # fmt: skip


async def provided(scene: Scene, house: House) -> None:
    """Let the duties tell devices what they will be asked, and post the tariffs."""
    await work(scene, house)
    async with house.books.reading() as tx:
        ((posted,),) = await tx.rows("SELECT count(*) FROM chain_tariffs WHERE posted")
    if posted != TARIFFS:
        raise Stumbled(f"the duty posted {posted} tariffs, not {TARIFFS}")


async def billed(scene: Scene) -> None:
    """Bill what devices open, have it computed on the chain; pay one bill there in time."""
    house = some(scene.house, "month")
    scene.walk.chapter(
        "The bills: opened by their devices, computed from the sum of their days"
    )
    scene.walk.later(WINDOW, "the window to correct a day is over")
    await work(scene, house)
    for one in (house, *scene.flats.values()):
        await answer(one, now=scene.now())
    await work(scene, house)
    asked = await _opened(scene, house)
    await _refused_above(scene, house, asked)
    for flat in scene.flats.values():
        await _opened(scene, flat)
    for one in (house, *scene.flats.values()):
        let = billing.let_provider(
            scene.at, one.meter.id, scene.who("provider"), scene.now() + DAY
        )
        await scene.does(one.owner, let, "his own opt-in")
    await work(scene, house)
    await _paid(scene, house)
    await compared(scene, house)


async def _opened(scene: Scene, house: House) -> ChainBill:
    """Let the member open his bill on the chain, once and for ever."""
    whole, owner = house.whole, house.owner
    found = opening(whole.value.reveal(), whole.blinding)
    async with house.books.transaction() as tx:
        (row,) = await bills.bills(tx, limit=2, member=house.member)
        wish = OpenWish(
            house.member, row.number, scene.who(owner), found.value, found.z, found.a
        )
        asked = await open_on_chain(tx, till(scene, house), wish, moment(scene))
    scene.walk.say(
        f"     bill {row.number}: {found.value} Wh, {asked.asked} micro-{asked.asset},"
        f" opened by {owner}"
    )
    return asked


async def _refused_above(scene: Scene, house: House, asked: ChainBill) -> None:
    """Ask one micro-STX more, as the owner may: the contract knows what usage costs."""
    headers = [parse_header(bytes.fromhex(str(day["header"]))) for day in house.days]
    dear = billing.AskedBill(
        asked.tariff, asked.meter, IMPORT, asked.begin, asked.end,
        tuple(steps([one.sum for one in headers])),
        Opening(asked.usage, asked.z, asked.a), asked.asked + 1,
    )  # fmt: skip
    note = "one micro-STX above tariff x usage"
    await scene.refused("home", billing.calculate_bills(scene.at, [dear]), 1310, note)


async def _paid(scene: Scene, house: House) -> None:
    """Pay in two parts, by the calls that the member is shown."""
    for left in (PARTIAL, 0):
        bill = await bill_of(house)
        call = show.pay_call(till(scene, house), bill, bill.outstanding - left)
        payment = made(scene.at, scene.who("home"), call.function, call.arguments)
        note = "in part" if left else "and the rest, in time"
        await scene.does("home", payment, note)
        await work(scene, house)
    bill = await bill_of(house)
    if bill.outstanding or not bill.reward:
        raise Stumbled("what was paid on the chain was not heard of")


async def compared(scene: Scene, house: House) -> None:
    """Hold books to their audits and to what contracts answer, and tokens to theirs."""
    owner = scene.who(house.owner)
    async with house.books.reading() as tx:
        tokens = await store.tokens_of(tx, owner.text())
        found = await chain_check.findings(tx)
        found += await private_check.findings(tx, house.genesis)
        found += await ledger_check.findings(tx)
    note = f"{tokens} millionths of a utility token for paying in time"
    await scene.sees("utility-token.get-balance", (owner,), Ok(UInt(tokens)), note)
    asked = await _answered(scene, house)
    for one in (*found, *asked):
        if not one.ok:
            raise Stumbled(f"invariant {one.invariant} fails: {one.detail}")
    for one in asked:
        scene.walk.say(f"     invariant {one.invariant} holds: {one.detail}")


async def _answered(scene: Scene, house: House) -> list[Finding]:
    """Return what contracts answer; the street's aggregator may make blocks meanwhile."""
    asked: list[Finding] = []
    for _ in range(TRIES):
        known = till(scene, house)
        asked = await nodecheck.findings(house.books, scene.walk.node, known)
        if all(one.ok for one in asked):
            break
        # What really differs does so the next time as well.
        await scene.walk.pause()
    return asked


async def work(scene: Scene, house: House) -> None:
    """Let duties, outbox and indexer go on until nothing moves; note what was done."""
    walk, provider = scene.walk, scene.people["provider"].account
    before = await _deeds(house)
    for _ in range(PUSHES):
        moved = await private.run_once(house.books, house.genesis.network, scene.now())
        moved += await duty.run_once(house.books, till(scene, house), moment(scene))
        try:
            done = await run_once(
                house.books, walk.node, provider, walk.limits, int(time.time())
            )
            moved += done.steps
            walk.chain.mine(walk.limits.depth)
            moved += await _heard(scene, house)
        except Unavailable as why:
            walk.troubles.append(str(why))
            await walk.pause()
            continue
        if not moved:
            break
    else:
        raise Stumbled(f"the duties do not come to an end: {walk.troubles[-1:]}")
    for deed, (txid, result) in (await _deeds(house)).items():
        if deed not in before:
            function = DONE[deed.partition(" ")[0]]
            walk.noted("provider", function, txid, "by duty", decode(result))


async def _heard(scene: Scene, house: House) -> int:
    """Read the chain to its tip; returns how many events were told."""
    walk = scene.walk
    followers = (Follow(till(scene, house), scene.now), FollowTokens())
    before, told = -1, 0
    while True:
        done = await index_once(
            house.books, walk.node, scene.at, walk.limits, followers, int(time.time())
        )
        told += done.events
        if done.height <= before:
            return told
        before = done.height


async def bill_of(house: House) -> ChainBill:
    """Return the house's bill as the books have it."""
    async with house.books.reading() as tx:
        (bill,) = await store.of_member(tx, house.member, after=0, limit=2)
    return bill


async def _deeds(house: House) -> dict[str, tuple[str, bytes]]:
    async with house.books.reading() as tx:
        rows = await tx.rows(_DEEDS)
    return {deed: (txid, result) for deed, txid, result in rows}


def till(scene: Scene, house: House) -> Till:
    """Return whose contracts these are, and who provides there."""
    provider = scene.who("provider")
    tokens = {USD: coin(scene)}
    return Till(house.genesis, scene.at, provider, provider.text(), tokens, 14 * DAY)


def moment(scene: Scene) -> Moment:
    """Return the second by both clocks: a story has one."""
    return Moment(scene.now(), scene.now())
