"""The claims of a proof file and of a bill file, each judged on its own and by name.

Network, checkpoint and the first key are judged as a bundle's are. Then, of every day
together: later keys where there are any, signatures by the key each day was sealed under,
commitments (root and sum), ranges (one multiplication for all proofs) and
inclusion; and of a bill: that its days fill its period, its tariff's prices, the amount
and the consent of the last key, and that the opening is logged; last, that all of it was
published. What a file cannot tell
is that no later revision of a day and no other opening of the period exists: the log's
auditor looks for those. This module must never raise for anything a file holds, and never
learn a usage.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from meterseal_proto.bill import BadBill, check_bill
from meterseal_proto.bundle import Bundle, KeyEvidence, Logged, SealEvidence
from meterseal_proto.claims import (
    ANCHOR,
    Claim,
    Expectation,
    Facts,
    Unasked,
    Wrong,
    facts_of,
    included,
    judge_one,
    judge_shared,
)
from meterseal_proto.claims_anchor import anchored
from meterseal_proto.commitment import total
from meterseal_proto.committed import committed_root, statement_of
from meterseal_proto.entry import (
    KeyEvent,
    Opening,
    open_key_event_entry,
    opening_entry,
    seal_entry,
)
from meterseal_proto.keys import PublicKey
from meterseal_proto.privatefile import BillEvidence, DayEvidence, PrivateFile
from meterseal_proto.rangechecker import Claim as RangeClaim
from meterseal_proto.rangechecker import holds as ranges_hold
from meterseal_proto.rangeproof import BadProof
from meterseal_proto.refinement import Refinement, TooFine
from meterseal_proto.seal import MODE_COMMITTED, Seal
from meterseal_proto.tariff import parse_tariff
from meterseal_proto.units import MeterId, Quality, RegisterId


@dataclass(frozen=True, slots=True)
class _Key:
    """A key event of a file that has a usable key, and its place in the log."""

    event: KeyEvent
    public: PublicKey
    logged: Logged


@dataclass(frozen=True, slots=True)
class _Case:
    """A file, and what its claims share with a bundle's; `keys` in the file's order."""

    file: PrivateFile
    facts: Facts
    keys: tuple[_Key, ...]

    def speaking(self, seq: int) -> _Key:
        """Return the key in force at a sequence number; Wrong where none was yet."""
        for key in reversed(self.keys):
            if key.event.from_seq <= seq:
                return key
        raise Wrong(f"no key of the file sealed sequence {seq}")

    def digest(self, day: DayEvidence) -> bytes:
        return day.header.digest(self.file.genesis.chain_id)

    @property
    def billed(self) -> BillEvidence:
        assert self.file.bill is not None
        return self.file.bill


def judge_private(file: PrivateFile, expectation: Expectation) -> tuple[Claim, ...]:
    """Judge every claim of a file, in the order a reader follows them."""
    first = min(file.days, key=lambda day: day.header.seq)
    bare = Seal(first.header, first.signature, (), ())
    bundle = Bundle(
        file.genesis, file.keys[0], SealEvidence(bare, first.logged), file.checkpoint,
        receipt=None, anchor=file.anchor,
    )  # fmt: skip
    case = _Case(file, facts_of(bundle, expectation), _usable(file.keys))
    own = DAY_CLAIMS if file.bill is None else DAY_CLAIMS + BILL_CLAIMS
    if len(file.keys) > 1:
        own = (("keys", _keys), *own)
    own = (*own, (ANCHOR, _anchor))
    judged = [judge_one(name, check, case) for name, check in own]
    return (*judge_shared(case.facts), *judged)


def _usable(evidence: tuple[KeyEvidence, ...]) -> tuple[_Key, ...]:
    """Return the keys of a file; none at all where one of its entries is no key event."""
    found = []
    for one in evidence:
        try:
            event = open_key_event_entry(one.entry)
            public = PublicKey.parse(event.algorithm, event.public)
        except ValueError:
            return ()
        found.append(_Key(event, public, one.logged))
    return tuple(found)


def _keys(case: _Case) -> str:
    """Judge that each later key followed the one before, of the same register."""
    if not case.keys:
        raise Wrong("an entry is no key event with a usable key")
    for before, after in pairwise(case.keys):
        if _register(after.event) != _register(before.event):
            raise Wrong("a later key is of another register, or of another mode")
        early = after.event.from_seq < before.event.from_seq
        if early or after.logged.index <= before.logged.index:
            raise Wrong("the keys are not in the order they were given")
    for key, one in zip(case.keys[1:], case.file.keys[1:], strict=True):
        included(case.facts, one.entry, key.logged)
    return f"{len(case.keys)} keys followed each other, each in the log"


def _register(event: KeyEvent) -> tuple[bytes, MeterId, RegisterId, int, int, int]:
    return (
        event.network, event.meter, event.register, event.step, event.mode, event.bits,
    )  # fmt: skip


def _signatures(case: _Case) -> str:
    if not case.keys:
        raise Unasked("there is no key to check them with")
    for day in case.file.days:
        header, key = day.header, case.speaking(day.header.seq)
        event = key.event
        if (header.network, header.meter, header.register) != (
            event.network, event.meter, event.register,
        ):  # fmt: skip
            raise Wrong(f"the day from {header.first} is of another meter or register")
        if (header.mode, header.bits) != (MODE_COMMITTED, event.bits):
            raise Wrong(f"the day from {header.first} is not as the key was enrolled")
        if day.logged.index <= key.logged.index:
            raise Wrong(f"the day from {header.first} was logged before its key")
        if not key.public.verify(case.digest(day), day.signature):
            raise Wrong(f"the logged key did not sign the day from {header.first}")
    return f"the meter's key signed {len(case.file.days)} days"


def _commitments(case: _Case) -> str:
    for day in case.file.days:
        header = day.header
        if committed_root(day.records) != header.root:
            raise Wrong(f"the records from {header.first} do not hash to its root")
        try:
            right = total([r.commitment for r in day.records]) == header.sum
        except ValueError as error:
            raise Wrong(f"the day from {header.first}: {error}") from None
        if not right:
            raise Wrong(f"the sum of the day from {header.first} is not the sum")
    count = sum(day.header.count for day in case.file.days)
    return f"{count} commitments hash to their days' roots and add up to their sums"


def _ranges(case: _Case) -> str:
    try:
        claims = [
            RangeClaim(
                statement_of(case.digest(day), day.header.bits, day.records),
                day.range_proof,
            )
            for day in case.file.days
        ]
    except BadProof as error:
        raise Wrong(str(error)) from None
    if not ranges_hold(claims):
        raise Wrong("a range proof does not hold: some value may be negative or huge")
    bits = case.file.days[0].header.bits
    return f"every hidden value is proved to lie in 0 to 2^{bits} - 1"


def _inclusion(case: _Case) -> str:
    for day in case.file.days:
        included(case.facts, seal_entry(day.header, day.signature), day.logged)
    return f"{len(case.file.days)} days are entries of the log"


def _days(case: _Case) -> str:
    statement = case.billed.bill.statement
    if tuple(case.digest(day) for day in case.file.days) != statement.headers:
        raise Wrong("the days are not those the bill names")
    places = [(day.header.first, day.header.end) for day in case.file.days]
    gap = any(before[1] != after[0] for before, after in pairwise(places))
    if gap or (places[0][0], places[-1][1]) != (statement.begin, statement.end):
        raise Wrong("the days do not fill the bill's period")
    event = case.facts.event
    if event is not None and (event.network, event.meter, event.register) != (
        statement.network, statement.meter, statement.register,
    ):  # fmt: skip
        raise Wrong("the bill is of another meter or register")
    return f"{len(places)} days fill {statement.begin} to {statement.end}"


def prices_of(file: PrivateFile, expectation: Expectation) -> list[int]:
    """Return the price of every interval of a bill's days.

    Raises Unasked without a bill or a clock of the zone, Wrong beyond the calendar.
    """
    if file.bill is None:
        raise Unasked("there is no bill to price")
    tariff, clock = parse_tariff(file.bill.tariff), expectation.clock
    if clock is None:
        raise Unasked("there is no time zone database to price intervals with")
    try:
        local = clock(tariff.zone)
    except (KeyError, OSError, ValueError):
        raise Unasked(f"time zone {tariff.zone} is not known here") from None
    starts = [record.start for day in file.days for record in day.records]
    try:
        return [*tariff.prices(starts, local)]
    except (OverflowError, OSError, ValueError):
        raise Wrong("the days lie outside the calendar") from None


def _prices(case: _Case) -> list[int]:
    return prices_of(case.file, case.facts.expectation)


def _tariff(case: _Case) -> str:
    tariff = parse_tariff(case.billed.tariff)
    if tariff.valid_from > case.billed.bill.statement.begin:
        raise Wrong("the tariff is not valid when the period begins")
    prices = _prices(case)
    records = [record for day in case.file.days for record in day.records]
    known = [at for at, one in enumerate(records) if one.quality == Quality.MISSING]
    try:
        Refinement.whole(len(prices), known).opened(prices)
    except TooFine as error:
        raise Wrong(str(error)) from None
    return (
        f"{tariff.id} in {tariff.currency}, {len(set(prices))} prices, none told alone"
    )


def _bill(case: _Case) -> str:
    if not case.keys:
        raise Unasked("there is no key to check the consent with")
    commitments = [r.commitment for day in case.file.days for r in day.records]
    bill, current = case.billed.bill, case.keys[-1]
    if case.billed.logged.index <= current.logged.index:
        raise Wrong("the bill was logged before the key that consented to it")
    try:
        check_bill(bill, _prices(case), commitments, current.public)
    except BadBill as error:
        raise Wrong(str(error)) from None
    return f"{bill.statement.amount} micro-units x Wh / kWh is what these days cost"


def _opening(case: _Case) -> str:
    logged = case.billed.logged
    included(case.facts, opening_entry(Opening.of(case.billed.bill)), logged)
    return f"the device's opening is entry {logged.index} of the log"


def _anchor(case: _Case) -> str:
    bill, days = case.file.bill, case.file.days
    places = [day.logged.index for day in days]
    return anchored(
        case.facts, max(places if bill is None else [*places, bill.logged.index])
    )


DAY_CLAIMS: Final[tuple[tuple[str, Callable[[_Case], str]], ...]] = (
    ("signatures", _signatures),
    ("commitments", _commitments),
    ("ranges", _ranges),
    ("inclusion", _inclusion),
)
BILL_CLAIMS: Final[tuple[tuple[str, Callable[[_Case], str]], ...]] = (
    ("days", _days),
    ("tariff", _tariff),
    ("bill", _bill),
    ("opening", _opening),
)
