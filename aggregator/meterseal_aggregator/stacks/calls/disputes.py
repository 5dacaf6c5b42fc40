"""Disputes, decided by checked evidence or by people: calls of `dispute-resolution`.

Kind 1 is a trade (Wh), kind 2 a bill (micro-units); bonds in micro-STX. Opening usage
on a chain is for ever (SETTLED 26). This module must never choose evidence.
"""

from collections.abc import Sequence
from typing import Final

from meterseal_aggregator.stacks.calls import arguments
from meterseal_aggregator.stacks.calls.arguments import LogPlace, Reading, Sealed
from meterseal_aggregator.stacks.calls.deployment import Call, Deployment
from meterseal_aggregator.stacks.calls.moves import at_most, exactly
from meterseal_proto.chainproof import Opening
from meterseal_proto.clarity import Bool, List, UInt

MAX_READINGS: Final = 8
"""As the contract takes them: two hours of quarter hours."""


def open_dispute(
    at: Deployment, kind: int, subject: int, asked: int, evidence: bytes, bond: int
) -> Call:
    """Dispute a trade or a bill.

    A trade (kind 1; `asked` Wh were delivered) by its buyer or seller while it is open,
    or a bill (kind 2; `asked` micro-units are right) by its payer before it is due.
    `evidence` hashes what the claimant shows elsewhere; `bond` is in micro-STX. The
    trade is frozen, the bill held. Answers the dispute's number. Errors: u800 to u804,
    u807, u811, and u603, u604 or u1312 of what is disputed.
    """
    return at.call(
        "dispute-resolution.open-dispute",
        {
            "kind": UInt(kind),
            "subject": UInt(subject),
            "asked": UInt(asked),
            "evidence": arguments.digest(evidence),
            "bond": UInt(bond),
        },
        exactly(bond),
    )


def decide_by_reading(
    at: Deployment,
    number: int,
    sealed: Sealed,
    readings: Sequence[Reading],
    place: LogPlace,
) -> Call:
    """Decide a trade by the seller's sealed readings.

    1 to 8 records of one open seal, or it is refused here; they have to cover the
    trade's window exactly. What was exported, up to the quantity, was delivered. Again,
    only with higher revisions. By anybody. Answers the Wh delivered. Errors: u404 to u406, u409,
    u801, u802, u805, u809, u810.
    """
    if not 1 <= len(readings) <= MAX_READINGS:
        raise ValueError(f"a trade is decided by 1 to {MAX_READINGS} records")
    return at.call(
        "dispute-resolution.decide-by-reading",
        {
            "number": UInt(number),
            **sealed.fields(),
            "readings": List(tuple(one.value() for one in readings)),
            **place.fields(),
        },
    )


def decide_by_opening(
    at: Deployment,
    number: int,
    sealed: Sealed,
    place: LogPlace,
    old: Opening,
    new: Opening,
) -> Call:
    """Correct a bill by a day of its period told again under a higher seq.

    `old` opens the day's commitment in `meter-data` (not looked at when the day was
    shown before), `new` the header's sum. The right amount is the tariff of the
    corrected usage. By anybody who knows the openings. Answers that amount. Errors:
    u404 to u406, u409, u801, u802, u805, u809, u810, u1100, u1101, u1106.
    """
    return at.call(
        "dispute-resolution.decide-by-opening",
        {
            "number": UInt(number),
            **sealed.fields(),
            **place.fields(),
            "old": arguments.opening(old),
            "new": arguments.opening(new),
        },
    )


def vote(at: Deployment, number: int, *, grants: bool) -> Call:
    """Vote for or against the claim.

    In the first round by the role "arbiter", after an appeal or without arbiters by
    verified users who are no party. Once a round. Errors: u800 to u802, u805 to u807.
    """
    return at.call(
        "dispute-resolution.vote", {"number": UInt(number), "grants": Bool(grants)}
    )


def resolve(at: Deployment, number: int) -> Call:
    """Count the votes of a round that is over.

    Too few arbiters: the members vote next. Too few members or a tie: the claim is not
    granted. By anybody. Answers the new state. Errors: u801, u802, u805, u808.
    """
    return at.call("dispute-resolution.resolve", {"number": UInt(number)})


def appeal(at: Deployment, number: int, bond: int) -> Call:
    """Take what the arbiters decided to the members, for another bond.

    By who lost, within the appeal window; what was decided by checked evidence only
    better evidence changes. Errors: u800 to u802, u805, u807, u811.
    """
    return at.call(
        "dispute-resolution.appeal",
        {"number": UInt(number), "bond": UInt(bond)},
        exactly(bond),
    )


def finalise(at: Deployment, number: int, bonds: int) -> Call:
    """Carry out a decision whose appeal window is over.

    The trade may settle by it, the bill is lowered, the bonds go to the winner.
    Evidence whose meter signed two contents of its seq decides nothing: the members
    vote. By anybody. Answers whether it is final. `bonds` are all that the dispute
    holds; they stay where members vote next. Errors: u801, u802, u805, u808.
    """
    return at.call(
        "dispute-resolution.finalise",
        {"number": UInt(number)},
        at_most(bonds, who=at.contract("dispute-resolution")),
    )
