"""Proposals and votes: calls of `governance`.

Weights are millionths of utility tokens, or 1 where members count. This module must
never vote for anybody who did not sign.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from meterseal_aggregator.stacks.calls import arguments
from meterseal_aggregator.stacks.calls.deployment import Call, Deployment
from meterseal_aggregator.stacks.calls.moves import exactly
from meterseal_proto.c32 import Principal
from meterseal_proto.clarity import Bool, UInt

MAX_NAME: Final = 32


class Kind(IntEnum):
    """What a proposal changes."""

    RATE = 1
    FEE = 2
    PARAMETER = 3
    UPGRADE = 4


class Mode(IntEnum):
    """What counts: tokens, locked until the vote ends, or members, one each."""

    TOKENS = 1
    MEMBERS = 2


@dataclass(frozen=True, slots=True)
class Change:
    """Parameter `name` becomes `value`; or `who` gets (1) or loses (0) role `name`."""

    name: str
    value: int
    who: Principal | None = None


def propose(
    at: Deployment, kind: Kind, mode: Mode, text: bytes, change: Change
) -> Call:
    """Propose a change; `text` hashes the reasons.

    By a verified user. Answers the proposal's number. Errors: u900 to u903.
    """
    return at.call(
        "governance.propose",
        {
            "kind": UInt(kind),
            "mode": UInt(mode),
            "text": arguments.digest(text),
            "name": arguments.text(change.name, MAX_NAME),
            "value": UInt(change.value),
            "who": arguments.maybe(change.who),
        },
    )


def vote(at: Deployment, number: int, weight: int, *, yes: bool, locks: bool) -> Call:
    """Vote with `weight` millionths of utility tokens.

    Locked until the vote ends, or with 1 where members count. By a verified user, once.
    `locks` says that the proposal's mode is tokens: then they move. Errors: u900, u901,
    u904 to u907, u913.
    """
    return at.call(
        "governance.vote",
        {"number": UInt(number), "yes": Bool(yes), "weight": UInt(weight)},
        *((exactly(weight, at.utility),) if locks else ()),
    )


def unlock(at: Deployment, number: int, weight: int) -> Call:
    """Take the tokens of a vote that ended or was withdrawn back.

    By the voter, also while paused. Answers the millionths. `weight` is what the voter
    locked. Errors: u904, u908, u912, u913.
    """
    return at.call(
        "governance.unlock",
        {"number": UInt(number)},
        exactly(weight, at.utility, at.contract("governance")),
    )


def withdraw_proposal(at: Deployment, number: int) -> Call:
    """Withdraw a proposal while it is voted on.

    By the proposer. Errors: u904, u905, u914.
    """
    return at.call("governance.withdraw-proposal", {"number": UInt(number)})


def execute(at: Deployment, number: int) -> Call:
    """Carry out what passed.

    Quorum reached, more for than against, timelock over and less than two weeks ago. By
    anybody, once. Errors: u901, u904, u908 to u911.
    """
    return at.call("governance.execute", {"number": UInt(number)})
