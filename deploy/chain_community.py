"""The street as a community on the chain: ratings, stakes, a fee put to the vote.

Members act by their own wallets, the court and the registrar by the operator's accounts.
This module must never vote for anybody.
"""

from typing import Final

from deploy.chain_members import act
from deploy.chain_street import Life, price, trade
from deploy.story.market import SLASHED, STAKE
from deploy.story.scene import HOUR, Scene, digest
from deploy.story.votes import FEE, VOTE_AND_TIMELOCK
from deploy.story.walk import number
from meterseal_aggregator.stacks.calls import reputation, roles
from meterseal_proto.clarity import Ascii, Optional, UInt

LEFT_WH: Final = 2_000
"""What a last trade is about, which stays open."""
VOTES: Final = {"seller": False, "neighbour": True, "buyer": True}


async def refunded(scene: Scene, life: Life) -> None:
    """Let the seller cancel what is left of noon; one trade stays open for the comparison."""
    walk, start = scene.walk, (scene.now() // HOUR + 2) * HOUR
    walk.chapter(
        "The other trades of noon are cancelled; one of a later hour stays open"
    )
    seller = life.members["seller"]
    for at, left in life.trades.items():
        held = price(life.sold(at))
        asked = {"number": left, "asset": None, "held": held}
        await act(walk, seller, "trade-escrow.cancel", asked, "all money back")
    await trade(scene, life, LEFT_WH, (start, start + HOUR))


async def rated(scene: Scene, life: Life) -> None:
    """Count and rate the settled trade; stake, and be slashed by the court."""
    at, walk = scene.at, scene.walk
    walk.chapter(
        "The settled trade is counted and rated; a stake is put up, and slashed"
    )
    seller, buyer = life.members["seller"], life.members["buyer"]
    await scene.does("home", reputation.record_trade(at, life.settled))
    stars = {"trade": life.settled, "given": 3, "comment": digest("half came").hex()}
    await act(walk, buyer, "reputation.rate", stars, "half of it came")
    await act(walk, seller, "reputation.stake", {"amount": STAKE}, "")
    court, arbiter = "court", scene.who("arbiter")
    await scene.does("admin", roles.grant(at, court, arbiter))
    taken = reputation.slash(at, seller.principal, SLASHED, buyer.principal)
    await scene.does("arbiter", taken, "to the buyer")
    await scene.does("admin", roles.revoke(at, court, arbiter))
    left = {"amount": STAKE - SLASHED}
    await act(walk, seller, "reputation.request-unstake", left, "after a week")


async def voted(scene: Scene, life: Life) -> None:
    """Let the members change the trade fee by their votes."""
    walk = scene.walk
    walk.chapter("The members change the trade fee by their votes")
    wish = {
        "kind": "fee", "mode": "members", "text": digest("half a per cent").hex(),
        "change": {"name": "trade-fee", "value": FEE, "who": None},
    }  # fmt: skip
    buyer = life.members["buyer"]
    proposal = number(await act(walk, buyer, "governance.propose", wish, ""))
    for name, yes in VOTES.items():
        vote = {"number": proposal, "weight": 1, "yes": yes, "locks": False}
        note = "for" if yes else "against"
        await act(walk, life.members[name], "governance.vote", vote, note)
    walk.later(VOTE_AND_TIMELOCK + HOUR, "three days to vote, two to leave")
    await act(walk, buyer, "governance.execute", {"number": proposal}, "")
    wanted = Optional(UInt(FEE))
    name = "parameters.get-parameter"
    await scene.sees(name, (Ascii("trade-fee"),), wanted, "half a per cent, as voted")


COMMUNITY: Final = (rated, voted, refunded)
