"""What evidence of a bill claims of the bills before it: each one's place, and what it left.

`earlier` is the bill that this one takes back or stands in for. `previous` is the bill of
the period before: tier counters, credited kWh and the year's cost so far go on from where
it left them. Both are documents whose salted hash is in the log, as this one's is. That what
the bill before left is right is for that bill's own evidence. This module must never price
anything.
"""

from dataclasses import replace

from meterseal_proto.bundle import Logged
from meterseal_proto.claims import Wrong
from meterseal_proto.entry import bill_hash_entry
from meterseal_proto.evidence import contents as parts
from meterseal_proto.evidence.billedcase import Billed
from meterseal_proto.evidence.claims import given
from meterseal_proto.rating.line import NOTHING_CARRIED, Line
from meterseal_proto.rating.statement import (
    Segment,
    Statement,
    StatementKind,
    statement_hash,
)


def judge_earlier(case: Billed) -> str:
    """Judge the bill that this one takes back or stands in for; raises Wrong or Unasked."""
    statement = case.known
    named = statement.corrects or statement.replaces
    other = case.earlier
    if other.number != named or other.network != statement.network:
        raise Wrong(f"{parts.EARLIER} is not {named}, which the statement names")
    if _whose(other) != _whose(statement):
        raise Wrong(f"{named} is another's, or of another currency")
    _logged(case, parts.EARLIER, parts.EARLIER_SALT)
    if statement.kind is not StatementKind.CREDIT_NOTE:
        if other.begin != statement.begin:
            raise Wrong(f"{named} is of another period")
        return f"it stands in for {named}, which is in the log"
    if statement.lines != tuple(map(_negated, other.lines)):
        raise Wrong(f"its lines are not those of {named} with the opposite sign")
    if statement != _note_of(other, statement):
        raise Wrong(f"beside its lines it says other things than {named}")
    return f"it takes back every line of {named}"


def judge_carried(case: Billed) -> str:
    """Judge that the first part begins from what the bill before left; Wrong or Unasked."""
    statement = case.known
    begins_with = statement.segments[0].before
    if not (case.has(parts.PREVIOUS) or case.has(parts.PREVIOUS_SALT)):
        if begins_with != NOTHING_CARRIED:
            raise Wrong(
                f"{parts.PREVIOUS} is missing: something was carried from the bill before"
            )
        return "nothing is carried to it, as is right for the first bill of a supply"
    other = case.previous
    _check_follows(other, statement)
    before = _logged(case, parts.PREVIOUS, parts.PREVIOUS_SALT)
    if _place(case, statement).index < before.index:
        raise Wrong(f"{other.number} is behind this one in the log: it came later")
    if other.segments[-1].after != begins_with:
        raise Wrong(f"its first part begins from other than {other.number} left")
    return f"it begins where {other.number} ended, from what that one left"


def _check_follows(other: Statement, statement: Statement) -> None:
    """Raise Wrong unless a statement is a bill of the same supply's period before."""
    name = f"{parts.PREVIOUS} ({other.number})"
    mine = (statement.network, statement.member, statement.meter_point)
    if (other.network, other.member, other.meter_point) != mine:
        raise Wrong(f"{name} is another's, or of another meter point")
    if other.kind is not StatementKind.BILL:
        raise Wrong(f"{name} is no bill")
    if other.end != statement.begin:
        raise Wrong(f"{name} ends at {other.end}, this one begins at {statement.begin}")
    if other.final:
        raise Wrong(f"{name} closed its supply: nothing is carried from it")


def _logged(case: Billed, document: str, salted: str) -> Logged:
    """Return where a bill beside the statement is in the log."""
    salt = case.read(salted, parts.read_salt)
    content = case.content(document)
    entry = bill_hash_entry(statement_hash(salt, content))
    return case.prove(entry, f"the bill of {document}")


def _place(case: Billed, statement: Statement) -> Logged:
    """Return where the statement itself is in the log; `bill-hash` answers for it."""

    def found() -> Logged:
        return _logged(case, parts.STATEMENT, parts.SALT)

    return given(found, f"place of {statement.number} in the log")


def _whose(statement: Statement) -> tuple[int, int, str, int]:
    return (
        statement.member, statement.meter_point, statement.currency, statement.minor,
    )  # fmt: skip


def _note_of(bill: Statement, note: Statement) -> Statement:
    """Return the credit note of a bill, but for what is its own: number and dates."""
    return replace(
        bill,
        number=note.number,
        kind=note.kind,
        issued_at=note.issued_at,
        due_at=note.due_at,
        segments=tuple(map(_taken_back, bill.segments)),
        corrects=bill.number,
        replaces="",
    )


def _taken_back(segment: Segment) -> Segment:
    return replace(segment, lines=tuple(map(_negated, segment.lines)))


def _negated(line: Line) -> Line:
    quantity = None if line.quantity is None else -line.quantity
    return replace(line, quantity=quantity, exact=-line.exact, amount=-line.amount)
