"""Wh as a token: minted, claimed, moved, reversed, retired: calls of `energy-token`.

1 unit = 1 Wh; registers are six OBIS bytes as a number; times are Unix seconds. This
module must never compute a mint id or a leaf: `credits` and the contract own those.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from meterseal_aggregator.stacks.calls import arguments
from meterseal_aggregator.stacks.calls.deployment import Call, Deployment
from meterseal_aggregator.stacks.calls.moves import at_most, exactly
from meterseal_proto.c32 import Principal
from meterseal_proto.clarity import UInt, Value


@dataclass(frozen=True, slots=True)
class Slot:
    """What is minted for: a register at a meter point, from `start` to `end`."""

    meter_point: int
    register: int
    start: int
    end: int

    def fields(self) -> dict[str, Value]:
        """Return it as arguments."""
        return {
            "meter-point": UInt(self.meter_point),
            "register": UInt(self.register),
            "from": UInt(self.start),
            "to": UInt(self.end),
        }


@dataclass(frozen=True, slots=True)
class Claim:
    """Leaf `index` of epoch `epoch`: `amount` Wh for `owner`."""

    epoch: int
    index: int
    owner: Principal
    slot: Slot
    amount: int


def transfer(
    at: Deployment,
    amount: int,
    sender: Principal,
    recipient: Principal,
    memo: bytes | None,
) -> Call:
    """Move `amount` Wh from `sender` to `recipient`.

    By the sender (SIP-010). Errors: u300 to u304.
    """
    return at.call(
        "energy-token.transfer",
        arguments.transfer(amount, sender, recipient, memo),
        exactly(amount, at.energy, sender),
    )


def mint(
    at: Deployment, owner: Principal, slot: Slot, revision: int, amount: int
) -> Call:
    """Mint `amount` Wh for a slot, once for ever.

    Revision 0 first, each later one posting only what is more. By the oracle. Answers
    the Wh paid out after debts. Errors: u300 to u302, u305 to u308, u313, u314.
    """
    return at.call(
        "energy-token.mint",
        {
            "owner": owner,
            **slot.fields(),
            "revision": UInt(revision),
            "amount": UInt(amount),
        },
    )


def reverse(
    at: Deployment, issuance: bytes, revision: int, amount: int, owner: Principal
) -> Call:
    """Take `amount` Wh of an issuance back.

    Burned from its owner as far as held, else owed. By the oracle. Answers the Wh
    burned. `owner` is whom it was issued to. Errors: u300 to u302, u309.
    """
    return at.call(
        "energy-token.reverse",
        {
            "id": arguments.digest(issuance),
            "revision": UInt(revision),
            "amount": UInt(amount),
        },
        at_most(amount, at.energy, owner),
    )


def post_epoch(at: Deployment, epoch: int, root: bytes, size: int, total: int) -> Call:
    """Post epoch `epoch`: `size` claims of together `total` Wh under `root`.

    By the oracle, in order from 1. Errors: u300 to u302, u312.
    """
    return at.call(
        "energy-token.post-epoch",
        {
            "epoch": UInt(epoch),
            "root": arguments.digest(root),
            "size": UInt(size),
            "total": UInt(total),
        },
    )


def claim(at: Deployment, of: Claim, siblings: Sequence[bytes]) -> Call:
    """Pay a claim of an epoch to its owner, whoever calls.

    `siblings` is the path to the epoch's root. By anybody. Answers the Wh paid out
    after debts. Errors: u301, u302, u306 to u311, u314.
    """
    return at.call(
        "energy-token.claim",
        {
            "epoch": UInt(of.epoch),
            "index": UInt(of.index),
            "owner": of.owner,
            **of.slot.fields(),
            "amount": UInt(of.amount),
            "path": arguments.path(siblings),
        },
    )


def retire(
    at: Deployment, amount: int, beneficiary: bytes, start: int, end: int
) -> Call:
    """Destroy `amount` of the caller's Wh for good.

    Consumed by `beneficiary` (a hash) in the interval `start` to `end` (Unix seconds).
    By the holder. Errors: u301 to u303, u306, u315.
    """
    return at.call(
        "energy-token.retire",
        {
            "amount": UInt(amount),
            "beneficiary": arguments.digest(beneficiary),
            "from": UInt(start),
            "to": UInt(end),
        },
        exactly(amount, at.energy),
    )


def set_token_uri(at: Deployment, uri: str) -> Call:
    """Say where the token is described.

    By the role "operator". Errors: u300, u315.
    """
    return at.call("energy-token.set-token-uri", {"uri": arguments.uri(uri)})
