"""A trustee's duty as rules: what it may sign, and what it may answer.

Two totals that share a meter would open it by their difference. So a meter is in one cell
a quarter and in one set a day, a place has one set for ever, a mask is taken at a place
that no other set names, and a set has K_MIN meters or more. Every function raises Refused
or returns; the store's constraints say the same once more. This module must never know
why a request comes, or who asks: the rules hold for everybody.
"""

import datetime
import re
from collections.abc import Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from zoneinfo import ZoneInfo

from meterseal_proto.group import group
from meterseal_proto.keys import PublicKey
from meterseal_proto.reporting import (
    CELL_MIN,
    LATE,
    MAX_DAY,
    Place,
    Reported,
    Roster,
    answered_by,
    disagreeing,
    meters_of,
    quarter_text,
)
from meterseal_proto.seal import MAX_RECORDS, MODE_COMMITTED
from meterseal_proto.seedbox import Deposit, TrusteeKey
from meterseal_proto.totals import K_MIN, SEEDS, Mask, Masked, proves, unmasked
from meterseal_proto.units import MeterId, RegisterId

MAX_MEMBERS: Final = 2_000
"""Members of a cell: a small town's street cells have 32 to some hundreds."""
MAX_TOTAL: Final = 1 << 63
"""2,000 members of 100 slots of 32 bits stay below 2^50."""
_CELL: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_EPOCH: Final = datetime.date(1970, 1, 1)


class Trouble(StrEnum):
    """Why a trustee says no; the order is that in which the checks run."""

    BAD_REQUEST = "bad-request"
    OTHER_NETWORK = "other-network"
    BAD_DEPOSIT = "bad-deposit"
    ANOTHER_DEPOSIT = "another-deposit"
    BAD_QUARTER = "bad-quarter"
    TOO_FEW = "too-few"
    NOT_ENROLLED = "not-enrolled"
    IN_ANOTHER_CELL = "in-another-cell"
    ANOTHER_ROSTER = "another-roster"
    TOO_MANY_WAITING = "too-many-waiting"
    NO_ROSTER = "no-roster"
    DAY_NOT_OVER = "day-not-over"
    REPEATED = "repeated-meter"
    NOT_A_MEMBER = "not-a-member"
    WRONG_SEAL = "wrong-seal"
    IN_ANOTHER_SET = "in-another-set"
    ANOTHER_SET = "another-set"
    NO_SUCH_SET = "no-such-set"
    NOT_ALL_SIGNED = "not-all-signed"
    NOT_ANSWERED = "not-answered"
    BAD_ANSWER = "bad-answer"
    TOTAL_HOLDS = "total-holds"
    BAD_TOTAL = "bad-total"


class Refused(Exception):
    """They may not have this; nothing was signed and nothing was answered."""

    def __init__(self, trouble: Trouble, detail: str) -> None:
        super().__init__(detail)
        self.trouble = trouble
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Span:
    """A local day as UTC Unix seconds, half-open; 23 to 25 hours long."""

    start: int
    end: int


def day_span(day: int, zone: ZoneInfo) -> Span:
    """Return when day `day` since 1970 begins and ends in the network's zone."""
    if not 0 <= day < MAX_DAY:
        raise Refused(Trouble.BAD_REQUEST, f"a day is 0 to {MAX_DAY - 1} since 1970")
    start, end = (
        datetime.datetime.combine(
            _EPOCH + datetime.timedelta(days=one), datetime.time(), zone
        )
        for one in (day, day + 1)
    )
    return Span(int(start.timestamp()), int(end.timestamp()))


def day_of(at: float, zone: ZoneInfo) -> int:
    """Return the day since 1970 that second `at` is in."""
    return (datetime.datetime.fromtimestamp(at, zone).date() - _EPOCH).days


def check_cell(cell: str) -> None:
    """Refuse a cell's name that is not 1 to 64 of a-z 0-9 - ."""
    if _CELL.fullmatch(cell) is None:
        raise Refused(Trouble.BAD_REQUEST, "a cell is named in a-z, 0-9 and -")


def check_deposit(
    deposit: Deposit, network: bytes, trustee: TrusteeKey, *, other_seeds: bool
) -> None:
    """Refuse a deposit its meter did not sign, or (`other_seeds`) one after the first.

    A meter's first seeds stand, and the key they came under. The same seeds sealed anew,
    by a replaced device from its recovered secret, are no other seeds.
    """
    if not deposit.authentic(network, trustee.box):
        raise Refused(Trouble.BAD_DEPOSIT, "the meter's key did not sign these boxes")
    if other_seeds:
        raise Refused(Trouble.ANOTHER_DEPOSIT, "this meter's seeds are here already")


def check_roster(
    roster: Roster,
    deposited: Mapping[MeterId, PublicKey],
    elsewhere: Collection[MeterId],
    this_quarter: int,
) -> None:
    """Refuse a roster that may not be countersigned.

    `deposited` are the keys of meters whose seeds are here, `elsewhere` the meters in
    another cell of that quarter. A cell is fixed before it is measured: no roster is
    taken for a quarter that is over.
    """
    check_cell(roster.cell)
    if roster.cell == LATE:
        raise Refused(Trouble.BAD_REQUEST, f"the cell {LATE} has no roster of its own")
    if roster.quarter not in (this_quarter, this_quarter + 1):
        text = quarter_text(this_quarter)
        raise Refused(Trouble.BAD_QUARTER, f"only {text} and the one after it are open")
    if not CELL_MIN <= len(roster.members) <= MAX_MEMBERS:
        raise Refused(
            Trouble.TOO_FEW, f"a cell has {CELL_MIN} to {MAX_MEMBERS} members"
        )
    if any(deposited.get(meter) != key for meter, key in roster.members.items()):
        raise Refused(
            Trouble.NOT_ENROLLED, "a member's seeds are not here under that key"
        )
    if not roster.members.keys().isdisjoint(elsewhere):
        raise Refused(Trouble.IN_ANOTHER_CELL, "a member is in another cell already")


def check_set(
    place: Place,
    reported: Sequence[Reported],
    members: Mapping[MeterId, RegisterId],
    day: Span,
    now: float,
) -> None:
    """Refuse a reporting set that may not be signed.

    `members` are the cell's, with the register each is read at; for the cell `late` those
    of every cell. Whether a place has a set already, and whether a meter is in another
    set of the day, the store knows: see `check_apart`.
    """
    if now < day.end:
        raise Refused(Trouble.DAY_NOT_OVER, "the day is not over yet")
    if not members:
        raise Refused(Trouble.NO_ROSTER, "no roster of that cell and quarter is signed")
    meters = meters_of(reported)
    if len(set(meters)) < len(meters):
        raise Refused(Trouble.REPEATED, "a meter is named twice")
    if len(meters) < K_MIN:
        raise Refused(Trouble.TOO_FEW, f"a set has {K_MIN} meters or more")
    if not members.keys() >= set(meters):
        raise Refused(Trouble.NOT_A_MEMBER, "a meter is not of that cell")
    if len({members[meter] for meter in meters}) > 1:
        raise Refused(Trouble.WRONG_SEAL, "a set is of one register")
    for one in reported:
        _check_seal(place, one, members[one.header.meter], day)


def _check_seal(place: Place, one: Reported, register: RegisterId, day: Span) -> None:
    header = one.header
    if header.network != place.network:
        raise Refused(Trouble.OTHER_NETWORK, "a seal is of another network")
    if header.mode != MODE_COMMITTED or header.register != register:
        raise Refused(
            Trouble.WRONG_SEAL, "a seal is open, or of another register than the cell"
        )
    fits = header.first >= day.start and header.end <= day.end
    if not (fits and header.step > 0 and 1 <= header.count <= MAX_RECORDS):
        raise Refused(Trouble.WRONG_SEAL, "a seal is not of that day")
    try:
        group().decode(header.sum)
    except ValueError:
        raise Refused(Trouble.WRONG_SEAL, "a seal's sum is no commitment") from None


def check_apart(
    reported: Sequence[Reported],
    meters_that_day: AbstractSet[MeterId],
    places_ever: AbstractSet[bytes],
) -> None:
    """Refuse a set that shares a meter of its day, or a mask's place, with any other."""
    if not meters_that_day.isdisjoint(meters_of(reported)):
        raise Refused(Trouble.IN_ANOTHER_SET, "a meter is in another set of that day")
    places = [one.place() for one in reported]
    if len(set(places)) < len(places) or not places_ever.isdisjoint(places):
        raise Refused(Trouble.IN_ANOTHER_SET, "a seal is in another set")


def check_signatures(
    trustees: Sequence[TrusteeKey], stated: bytes, signatures: Sequence[bytes]
) -> None:
    """Refuse to answer before all three trustees have signed the set."""
    missing = disagreeing([one.sign for one in trustees], stated, signatures)
    if missing or len(signatures) != SEEDS:
        raise Refused(
            Trouble.NOT_ALL_SIGNED,
            f"not signed by trustee {', '.join(map(str, missing)) or 'of ours'}",
        )


@dataclass(frozen=True, slots=True)
class Complaint:
    """That a set's total is not right: the sum of all its masked openings, and the answer
    of another trustee. No single masked opening comes here: two trustees and those would
    open the meters."""

    reports: Masked
    trustee: int
    sums: Mapping[int, Mask]
    signature: bytes


def check_complaint(
    complaint: Complaint,
    stated: bytes,
    own: Mapping[int, Mask],
    reported: Sequence[Reported],
    other: TrusteeKey,
) -> None:
    """Refuse to show mask commitments of meters whose total is right.

    The trustee finds out itself: with its own sums, the missing seed's from `other` and
    the sum of the masked openings it computes the total, which is public, and proves it.
    A false complaint gains nothing: a mask's commitment is blinded by the mask's second
    half, which nothing else tells, so it fits every mask; it only lets anybody compare.
    """
    if not answered_by(
        other.sign, other.number, stated, complaint.sums, complaint.signature
    ):
        raise Refused(Trouble.BAD_ANSWER, "that is no answer of another trustee")
    if set(own) | set(complaint.sums) != set(range(SEEDS)):
        raise Refused(Trouble.BAD_ANSWER, "bring the answer of another trustee")
    found = unmasked([complaint.reports], {**complaint.sums, **own})
    if proves(found, [one.header.sum for one in reported]):
        raise Refused(Trouble.TOTAL_HOLDS, "this total is right; nobody is to blame")


def check_total(total: Masked, reported: Sequence[Reported]) -> None:
    """Refuse a total that is not what a set's commitments add up to: sum C = U V + Z B."""
    if total.value >= MAX_TOTAL or not proves(
        total, [one.header.sum for one in reported]
    ):
        raise Refused(Trouble.BAD_TOTAL, "the set's commitments add to something else")
