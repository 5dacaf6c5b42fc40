"""Offers, trades in escrow, a dispute decided by evidence and one by members, reputation.

What a trade delivered is said by the oracle, by a sealed reading, or by people, in that
order of the story. This module must never settle a trade by anything else.
"""

from dataclasses import replace
from typing import Final

from deploy.story.scene import DAY, HOUR, Scene, Trades, digest, readings, some
from deploy.story.walk import number
from meterseal_aggregator.stacks.calls import (
    disputes,
    escrow,
    marketplace,
    oracle,
    reputation,
    roles,
)
from meterseal_proto.clarity import Optional, UInt

PRICE: Final = 200_000
"""Micro-STX a kWh."""
BOND: Final = 1_000_000
STAKE: Final = 100_000_000
SLASHED: Final = 10_000_000
TRADE: Final = 1
"""The kind of dispute that is about a trade."""


def priced(wh: int) -> int:
    """Return what so many Wh of the offer cost, micro-STX."""
    return wh * PRICE // 1_000


async def trades(scene: Scene) -> None:
    """List an offer, open trades on it, cancel one, release one, confirm and settle one."""
    at = scene.at
    scene.walk.chapter("Offers and trades: the buyer's money waits in escrow")
    start = -(-(scene.now() + 2 * HOUR) // HOUR) * HOUR
    offer = await _listed(scene, start)

    async def open_(wh: int, note: str) -> int:
        call = escrow.open_trade(at, offer, wh, priced(wh), None)
        return number(await scene.does("buyer", call, note))

    scene.trades = found = Trades(
        delivered=await open_(5_000, "will be delivered in part"),
        regretted=await open_(1_000, "will be cancelled"),
        forgotten=await open_(2_000, "nobody will say what became of it"),
        disputed=await open_(5_000, "a reading will decide it"),
        released=await open_(500, "the buyer will release it"),
        argued=await open_(1_000, "members will decide it"),
        window=start + HOUR,
    )
    own = escrow.open_trade(at, offer, 1_000, priced(1_000), None)
    await scene.refused("seller", own, 606, "not with oneself")
    regret = escrow.cancel(at, found.regretted, None, priced(1_000))
    await scene.does("buyer", regret, "all money back")
    release = escrow.settle(at, found.released, 500, None, priced(500))
    await scene.does("buyer", release, "early, in full")
    await _metered(scene, start)
    await _delivered(scene, found)


async def _listed(scene: Scene, start: int) -> int:
    """List an offer of an hour, change it, and withdraw another one."""
    at = scene.at
    listed = marketplace.list_offer(at, PRICE // 2, 20_000, start, start + HOUR, None)
    offer = number(await scene.does("seller", listed))
    changed = marketplace.update_offer(at, offer, PRICE, 25_000)
    await scene.does("seller", changed, "dearer, and more")
    listed = marketplace.list_offer(at, PRICE, 1_000, start, start + HOUR, None)
    other = number(await scene.does("seller", listed))
    await scene.does("seller", marketplace.cancel_offer(at, other))
    return offer


async def _metered(scene: Scene, start: int) -> None:
    scene.walk.later(start + HOUR - scene.now(), "the hour is metered")
    scene.evidence = scene.street.seal(
        {"meter": "panel", "register": "export", "first": start,
         "deltas": [500, 600, 700, 800], "revision": 0}
    )  # fmt: skip
    await scene.anchor()


async def _delivered(scene: Scene, found: Trades) -> None:
    at, held = scene.at, priced(5_000)
    evidence = digest("readings of the hour")
    said = oracle.confirm_delivery(at, found.delivered, 4_000, evidence)
    await scene.does("oracle", said)
    more = escrow.settle(at, found.delivered, 5_000, None, held)
    await scene.refused("home", more, 608, "not what was confirmed")
    settle = escrow.settle(at, found.delivered, 4_000, None, held)
    await scene.does("home", settle, "pro rata; the rest refunded")
    left = UInt(priced(2_000 + 5_000 + 1_000))
    await scene.sees(
        "trade-escrow.get-held", (Optional(),), left, "open trades hold it"
    )


async def court(scene: Scene) -> None:
    """Let a contract decide a dispute by a sealed reading, and members another one."""
    at, found = scene.at, some(scene.trades, "trades")
    trade = found.disputed
    scene.walk.chapter("A dispute is decided by the contract, from what a meter signed")
    asked = disputes.open_dispute(at, TRADE, trade, 3_000, digest("a note"), BOND)
    case = number(await scene.does("buyer", asked, "at most 3,000 of 5,000 Wh came"))
    settle = escrow.settle(at, trade, 5_000, None, priced(5_000))
    await scene.refused("buyer", settle, 604, "frozen")
    sealed, place = scene.sealed(scene.evidence, "panel"), scene.place(scene.evidence)
    told = readings(scene.evidence)
    forged = [replace(told[0], record=replace(told[0].record, delta=5_000)), *told[1:]]
    lie = disputes.decide_by_reading(at, case, sealed, forged, place)
    await scene.refused("seller", lie, 809, "a forged reading")
    truth = disputes.decide_by_reading(at, case, sealed, told, place)
    await scene.does("home", truth, "2,600 Wh, says the meter")
    early = disputes.finalise(at, case, BOND)
    await scene.refused("home", early, 808, "the window to show better is open")
    await _argued(scene, found.argued)
    await scene.does("home", disputes.finalise(at, case, BOND), "the bond goes back")
    settle = escrow.settle(at, trade, 2_600, None, priced(5_000))
    await scene.does("home", settle, "as the meter said")


async def _argued(scene: Scene, trade: int) -> None:
    """Let members decide where no arbiter comes and no meter speaks."""
    at = scene.at
    asked = disputes.open_dispute(at, TRADE, trade, 300, digest("a claim"), BOND)
    case = number(await scene.does("buyer", asked, "no evidence, and no arbiter comes"))
    scene.walk.later(3 * DAY + 60, "three days for arbiters, and to appeal")
    await scene.does("home", disputes.resolve(at, case), "the members vote next")
    await scene.does("home", disputes.vote(at, case, grants=True))
    scene.walk.later(3 * DAY + 60, "three days for members")
    await scene.does("home", disputes.resolve(at, case))
    scene.walk.later(3 * DAY + 60, "three days to appeal")
    await scene.does("home", disputes.finalise(at, case, BOND))


async def reputations(scene: Scene) -> None:
    """Count and rate trades; stake, slash and pay back; let a trade expire."""
    at, who, found = scene.at, scene.who, some(scene.trades, "trades")
    scene.walk.chapter("Trades are counted and rated; a stake is slashed and paid back")
    for trade in (found.released, found.delivered, found.regretted):
        await scene.does("home", reputation.record_trade(at, trade))
    again = reputation.record_trade(at, found.delivered)
    await scene.refused("home", again, 703, "counted once")
    rated = reputation.rate(at, found.delivered, 4, digest("a bit less"))
    await scene.does("buyer", rated)
    envy = reputation.rate(at, found.delivered, 1, digest("envy"))
    await scene.refused("home", envy, 704, "no party")
    await scene.does("seller", reputation.stake(at, STAKE))
    await scene.does("admin", roles.grant(at, "court", who("arbiter")))
    slashed = reputation.slash(at, who("seller"), SLASHED, who("buyer"))
    await scene.does("arbiter", slashed)
    await scene.does("admin", roles.revoke(at, "court", who("arbiter")))
    left = STAKE - SLASHED
    await scene.does("seller", reputation.request_unstake(at, left))
    early = reputation.unstake(at, left)
    await scene.refused("seller", early, 707, "cooling down")
    scene.walk.later(8 * DAY, "a week to cool down; nobody spoke of a forgotten trade")
    await scene.does("seller", reputation.unstake(at, left))
    gone = escrow.expire(at, found.forgotten, None, priced(2_000))
    await scene.does("home", gone, "the buyer has the money back")
