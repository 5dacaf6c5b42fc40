"""Bills paid otherwise than in STX: in a stablecoin, at a quote; held, lowered, given back.

Two flats are billed in the stablecoin. One pays in it, is found to have used less, and has
the excess back by the provider's duty; the other disputes without a reason, is let go after
the hold, and pays in STX at the operator's quote. What the books say of it they heard from the
chain. This module must never move a bill's money but by its member's own call.
"""

from typing import Final

from deploy.story.bills import bill_of, compared, moment, till, work
from deploy.story.coin import ISSUED, USD, coin, holds
from deploy.story.house import House, tell_again
from deploy.story.market import BOND
from deploy.story.month import seal_day
from deploy.story.scene import HOUR, Scene, digest, index, some
from deploy.story.walk import Stumbled, number
from meterseal_aggregator.billing.chain import duty, show
from meterseal_aggregator.billing.chain.model import NATIVE, PROVIDER, ChainBill
from meterseal_aggregator.billing.chain.show import ChainState, Handed
from meterseal_aggregator.billing.statements import store as statements
from meterseal_aggregator.ledger import store as ledger
from meterseal_aggregator.stacks.calls import disputes, payment, roles
from meterseal_aggregator.stacks.calls.deployment import Call
from meterseal_aggregator.stacks.wallet.membercalls import made
from meterseal_proto.chainproof import opening

BILL: Final = 2
"""The kind of dispute that is about a bill."""
RATE: Final = 4
"""STX for a dollar, by the operator."""
WINDOWS: Final = ("dispute-voting", "appeal-window")
PAY: Final = "payment.pay-bill"
QUOTED: Final = "payment.pay-quoted"


async def in_coin(scene: Scene) -> None:
    """Pay a bill in its stablecoin: not in STX, not above what it asks, then in full."""
    flat, bill = await _flat(scene, "flat")
    at, token, left = scene.at, coin(scene), bill.outstanding
    assert bill.number is not None
    scene.walk.chapter("A bill in the stablecoin, paid in it")
    other = payment.pay_bill(at, bill.number, left, None)
    await scene.refused("buyer", other, 1404, "STX, and no quote for it")
    above = payment.pay_bill(at, bill.number, left + 1, token)
    await scene.refused("buyer", above, 1405, "more than it asks")
    await scene.does("buyer", await _shown(scene, flat, PAY), "all of it, in time")
    await work(scene, flat)
    await _stands(flat, ChainState.PAID, paid=left)
    await holds(scene, "buyer", ISSUED - left, "what the buyer has left")
    await _till_agrees(scene, flat)


async def disputed(scene: Scene) -> None:
    """Hold two bills on the chain: one is lowered by what its meter told, one let go."""
    flat, paid = await _flat(scene, "flat")
    shed, owed = await _flat(scene, "shed")
    at, walk = scene.at, scene.walk
    walk.chapter("Two bills are disputed, and held; the meter of one told a day again")
    for name in WINDOWS:
        hour = roles.set_parameter(at, name, HOUR, scene.now() + 60)
        await scene.does("admin", hour, "an hour, for the story")
    walk.later(120, "the windows hold")
    pay = await _shown(scene, shed, PAY)
    again = await _told_again(scene, flat)
    await scene.anchor()
    idle = await _dispute(scene, shed, owed, owed.amount or 0, "nothing to show")
    case = await _dispute(scene, flat, paid, paid.amount or 0, "a day told again")
    await work(scene, flat)
    await _stands(shed, ChainState.HELD, paid=0)
    await _stands(flat, ChainState.HELD, paid=paid.paid)
    await scene.refused("neighbour", pay, 1403, "a held bill takes no money")
    low = number(await scene.does("home", _decided(scene, flat, case, again), "less"))
    early = disputes.finalise(at, case, BOND)
    await scene.refused("home", early, 808, "better evidence may come")
    walk.later(HOUR + 60, "the window to show better; no arbiter came")
    await scene.does("home", disputes.finalise(at, case, BOND), "lowered, and let go")
    await _let_go(scene, idle)
    walk.chapter("What was paid too much goes back by the provider's duty")
    await work(scene, flat)
    await _stands(flat, ChainState.PAID, paid=low)
    await _stands(shed, ChainState.OPEN, paid=0)
    note = f"{paid.paid - low} millionths came back to the buyer"
    await holds(scene, "buyer", ISSUED - low, note)
    await _till_agrees(scene, flat)


async def at_a_quote(scene: Scene) -> None:
    """Quote a bill in STX by the operator's wish, and pay it at that."""
    shed, bill = await _flat(scene, "shed")
    assert bill.number is not None
    scene.walk.chapter("A bill in the stablecoin, paid in STX at the operator's quote")
    price = RATE * bill.outstanding
    given = (NATIVE, price, scene.now() + HOUR)
    async with shed.books.transaction() as tx:
        await duty.quote(tx, till(scene, shed), bill.bill, given, moment(scene))
    await work(scene, shed)
    low = payment.pay_quoted(scene.at, bill.number, price - 1, None)
    await scene.refused("neighbour", low, 1405, "below the quote")
    call = await _shown(scene, shed, QUOTED)
    await scene.does("neighbour", call, f"{price} micro-STX for {bill.outstanding}")
    await work(scene, shed)
    await _stands(shed, ChainState.PAID, paid=bill.outstanding)
    if not (await bill_of(shed)).reward:
        raise Stumbled("the time to pay did not stand still while the bill was held")
    await compared(scene, shed)


async def _flat(scene: Scene, name: str) -> tuple[House, ChainBill]:
    house = some(scene.flats.get(name), name)
    return house, await bill_of(house)


async def _shown(scene: Scene, house: House, function: str) -> Call:
    """Return the call of a function that the member is shown, as his wallet makes it."""
    bill, known = await bill_of(house), till(scene, house)
    async with house.books.reading() as tx:
        found = await show.shown_one(tx, known, bill, scene.now())
    calls: dict[str, Handed] = {one.function: one for one in found.calls}
    if function not in calls:
        raise Stumbled(f"{house.owner} is shown {sorted(calls)}, not {function}")
    told = calls[function].arguments
    return made(scene.at, scene.who(house.owner), function, told)


async def _stands(house: House, wanted: ChainState, *, paid: int) -> None:
    """Hold what the books heard of a bill to how it has to stand; a dispute is in both."""
    bill = await bill_of(house)
    async with house.books.reading() as tx:
        standing = (await statements.standings(tx, [bill.bill]))[bill.bill]
    state = ChainState.OPEN if bill.outstanding else ChainState.PAID
    state = ChainState.HELD if bill.held else state
    if (state, bill.paid) != (wanted, paid):
        raise Stumbled(f"the bill of {house.owner} is {state}, {bill.paid} paid")
    if standing.disputed != (bill.outstanding if bill.held else 0):
        raise Stumbled(f"{standing.disputed} of the bill of {house.owner} is disputed")


async def _till_agrees(scene: Scene, house: House) -> None:
    """Hold what the provider has of the stablecoin to what the ledger says it was paid."""
    async with house.books.reading() as tx:
        told = (await ledger.balances(tx, USD, [PROVIDER]))[PROVIDER]
    held = told.debits_posted - told.credits_posted
    await holds(scene, "provider", held, "the provider has what the ledger says")


async def _told_again(scene: Scene, house: House) -> int:
    """Let the meter tell a house's first day again, half of it; returns its log entry."""
    first, halved = house.begin, [one.value.reveal() // 2 for one in house.opened[0]]
    scene.evidence = seal_day(scene, first, halved, house.meter.name)
    await tell_again(house, scene.evidence, halved, now=scene.now())
    return index(scene.evidence)


async def _dispute(
    scene: Scene, house: House, bill: ChainBill, amount: int, why: str
) -> int:
    """Let a bill's payer say that less is right; returns the number of the dispute."""
    assert bill.number is not None
    call = disputes.open_dispute(
        scene.at, BILL, bill.number, amount - 1, digest(why), BOND
    )
    return number(await scene.does(house.owner, call, why))


def _decided(scene: Scene, house: House, case: int, again: int) -> Call:
    """Return the call that shows the day told again beside the one that was billed."""
    before, after = (
        scene.street.told[one].opening for one in (index(house.days[0]), again)
    )
    assert before is not None
    assert after is not None
    old, new = (opening(one.value.reveal(), one.blinding) for one in (before, after))
    sealed, place = (
        scene.sealed(scene.evidence, house.meter.name),
        scene.place(scene.evidence),
    )
    return disputes.decide_by_opening(scene.at, case, sealed, place, old, new)


async def _let_go(scene: Scene, case: int) -> None:
    """Let a dispute run out: no arbiter and no member votes, and nothing was shown."""
    at, walk = scene.at, scene.walk
    await scene.does("home", disputes.resolve(at, case), "the members vote next")
    walk.later(HOUR + 60, "no member votes")
    await scene.does("home", disputes.resolve(at, case), "not granted")
    walk.later(HOUR + 60, "nobody appeals")
    await scene.does("home", disputes.finalise(at, case, BOND), "let go as it was")
