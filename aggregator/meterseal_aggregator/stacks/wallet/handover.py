"""A member's call with its nonce and its price, as a node tells them.

    await hand_over(door, call, account)          # a Handout for a wallet to sign

A node's word is bounded: the fee by a cap, above which nothing is handed out, the nonce by
what a mempool holds. A wallet that has calls under way says its next nonce itself, for a
node counts only what is in blocks. This module must never sign, send or keep anything.
"""

from dataclasses import dataclass

from meterseal_aggregator.stacks.calls.deployment import Call, Deployment
from meterseal_aggregator.stacks.node.port import Node
from meterseal_aggregator.stacks.outbox.plan import MAX_IN_FLIGHT
from meterseal_aggregator.stacks.transaction import Network
from meterseal_aggregator.stacks.wallet.handout import Handout, handout
from meterseal_proto.c32 import Address, Principal


@dataclass(frozen=True, slots=True)
class ChainDoor:
    """The chain as members are shown it; no transaction costs more than `fee_cap`."""

    node: Node
    contracts: Deployment
    network: Network
    fee_cap: int


@dataclass(frozen=True, slots=True)
class Priced:
    """What a wallet is given, with the nonce and the fee (micro-STX) it is made with."""

    given: Handout
    nonce: int
    fee: int


class NotHandedOut(Exception):
    """No wallet could use it now; the message says why and what to do."""


async def hand_over(
    door: ChainDoor, call: Call, account: Address, nonce: int | None = None
) -> Priced:
    """Return `call` for `account`, by the tip's nonce where none is given.

    Raises NotHandedOut, and Unavailable where no node answers.
    """
    used = await door.node.nonce(Principal(account))
    chosen = used if nonce is None else nonce
    if not used <= chosen < used + MAX_IN_FLIGHT:
        raise NotHandedOut(
            f"the next nonce of {account.text()} is {used}, and {MAX_IN_FLIGHT} may wait"
        )
    bare = handout(call, account, door.network, chosen, 0)
    payload = call.payload.consensus()
    fees = await door.node.fee(payload, len(bare.unsigned))
    # A node asks for nothing less than a micro-STX a byte (stacks-core, MINIMUM_TX_FEE).
    fee = max(fees.middle, len(bare.unsigned))
    if fee > door.fee_cap:
        raise NotHandedOut(
            f"the chain asks {fee} micro-STX, above the cap of {door.fee_cap}: try later"
        )
    given = handout(call, account, door.network, chosen, fee)
    return Priced(given, chosen, fee)
