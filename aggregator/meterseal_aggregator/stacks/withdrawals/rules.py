"""The rules of leaving and coming back, pure: what may go, in which parts, and what returns.

A withdrawal takes whole slots from the register's watermark on, never more than is asked
for or held, and nothing while corrections are owed. What returns repays a debt before it
is held. This module must never read a clock or a table.
"""

import hashlib
from collections.abc import Sequence
from typing import Final

from meterseal_aggregator.ledger.accounts import debt, producer
from meterseal_aggregator.ledger.model import (
    MAX_AMOUNT,
    AccountCode,
    Transfer,
    TransferId,
)
from meterseal_aggregator.stacks.calls.deployment import Deployment
from meterseal_aggregator.stacks.calls.token import Claim
from meterseal_aggregator.stacks.withdrawals.model import (
    LEAVING,
    MAX_SLOTS,
    MAX_SPAN_SLOTS,
    Credit,
    NotMade,
    Part,
    Share,
    Standing,
    State,
    Trouble,
    Way,
    Wish,
)
from meterseal_proto.clarity import Tuple, UInt, encode
from meterseal_proto.merkle import leaf_hash

MOST_SLOTS: Final = {Way.DIRECT: MAX_SLOTS, Way.EPOCH: MAX_SPAN_SLOTS}

AGAIN_S: Final = 60
AGAIN_AT_LAST_S: Final = 86_400
"""What is owed to the truth is never given up, and costs a fee a day at most."""


def way_of(wish: Wish, standing: Standing) -> Way:
    """Return the way a wish goes; raises NotMade where it may not go at all.

    Unasked it is by epoch: that tells the world one sum, and a mint each slot's Wh.
    """
    way = wish.way or standing.way or Way.EPOCH
    if standing.way not in (None, way):
        raise NotMade(
            Trouble.OTHER_WAY,
            f"this register's Wh go by {standing.way}: ask for that, or leave way out",
        )
    if standing.owed:
        raise NotMade(
            Trouble.DEBT,
            f"corrections of {standing.owed} Wh are owed: the next credits repay them",
        )
    if standing.claim is not None:
        raise NotMade(
            Trouble.CLAIM_FIRST,
            f"withdrawal {standing.claim} of this register is not claimed yet: claim it"
            " first, or it would become void",
        )
    if way is Way.DIRECT and standing.minting >= MAX_SLOTS:
        raise NotMade(
            Trouble.BUSY,
            f"{standing.minting} mints of yours wait or were refused today: ask tomorrow",
        )
    return way


def shares(
    wish: Wish, way: Way, standing: Standing, credited: Sequence[Credit]
) -> list[Share]:
    """Return what leaves: whole slots in order, as many as fit; raises NotMade for none.

    `credited` are those after the watermark, by start.
    """
    if not credited:
        raise NotMade(
            Trouble.NOTHING,
            "nothing credited there is left to withdraw; wait until slots are final",
        )
    room = min(wish.wh, standing.held)
    taken: list[Credit] = []
    most = MOST_SLOTS[way] - (standing.minting if way is Way.DIRECT else 0)
    for credit in credited[:most]:
        if credit.wh > room:
            break
        room -= credit.wh
        taken.append(credit)
    if not taken:
        raise NotMade(
            Trouble.TOO_LITTLE,
            f"the next slot has {credited[0].wh} Wh, you hold {standing.held} and asked"
            f" for {wish.wh}: only whole slots leave",
        )
    if way is Way.DIRECT:
        return [Share(one.start, one.end, one.wh, one.mint_id) for one in taken]
    total = sum(one.wh for one in taken)
    return [Share(taken[0].start, taken[-1].end, total, None)]


def home(wh: int, owed: int, member: int) -> list[tuple[AccountCode, int]]:
    """Return where `wh` that come back to a member go: its debt, then what it holds."""
    repaid = min(wh, owed)
    legs = [(debt(member), repaid), (producer(member), wh - repaid)]
    return [leg for leg in legs if leg[1]]


def leaf(at: Deployment, claim: Claim) -> bytes:
    """Return the leaf hash of a claim, 32 bytes: `claim-leaf` of `energy-token`."""
    slot = claim.slot
    told = Tuple(
        {
            "contract": at.contract("energy-token"),
            "epoch": UInt(claim.epoch),
            "index": UInt(claim.index),
            "owner": claim.owner,
            "meter-point": UInt(slot.meter_point),
            "register": UInt(slot.register),
            "from": UInt(slot.start),
            "to": UInt(slot.end),
            "wh": UInt(claim.amount),
        }
    )
    return leaf_hash(encode(told))


def again_at(tries: int, last_at: int | None) -> int:
    """Return the second from which a reversal refused `tries` times may be tried again."""
    if last_at is None:
        return 0
    return last_at + min(AGAIN_S << min(tries, 20), AGAIN_AT_LAST_S)


def state_of(parts: Sequence[Part], *, posted: bool) -> State:
    """Return where a whole withdrawal stands; `posted`: the epoch of its claim is."""
    states = {part.state for part in parts}
    if State.LEAVING in states:
        return State.CLAIMABLE if posted else State.LEAVING
    return State.ARRIVED if State.ARRIVED in states else State.REFUSED


def keeps(*numbers: int) -> bool:
    """Tell whether the chain's numbers of 128 bits fit where we keep them."""
    return all(0 <= number <= MAX_AMOUNT for number in numbers)


def transfer_id(*about: str | int) -> TransferId:
    """Return the ledger id of a move: SHA-256 of a label and what it is about."""
    text = "/".join(map(str, about))
    return TransferId(hashlib.sha256(f"meterseal-chain/{text}".encode()).digest())


def leave(withdrawal: int, member: int, wh: int, now: int) -> Transfer:
    """Return the transfer by which a withdrawal's Wh leave their producer."""
    return Transfer(
        id=transfer_id("leave", withdrawal),
        amount=wh,
        debit=producer(member),
        credit=LEAVING,
        purpose="withdraw",
        effective_at=now,
        reference=withdrawal.to_bytes(8),
    )
