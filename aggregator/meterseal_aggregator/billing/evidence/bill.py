"""The evidence of a bill, gathered from its tables.

    found = await gather(tx, "2026-00000012", genesis)      # files, but private registers'

A constant number of statements a bill, and a few for each of its registers. Reads
`full_tariffs` (tariffs), `netted_slots` and `bills` (statements). Whether the asker may
see the bill is for whoever asks. This module must never tell anything of another member.
"""

from dataclasses import asdict, dataclass
from typing import Final

from meterseal_aggregator.billing.evidence import netting, postings, readings
from meterseal_aggregator.billing.evidence.model import (
    Entries,
    Gathered,
    Hidden,
    NotYet,
    Proved,
)
from meterseal_aggregator.billing.evidence.proving import prove_all
from meterseal_aggregator.billing.evidence.readings import ERASED, Billed
from meterseal_aggregator.billing.model import BillRow
from meterseal_aggregator.billing.statements import store
from meterseal_aggregator.billing.statements.netting import retirement_id
from meterseal_aggregator.billing.statements.posting import payee, transfer_id
from meterseal_aggregator.ledger.accounts import arrears, user
from meterseal_aggregator.ledger.model import TransferId
from meterseal_aggregator.storage.database import Transaction
from meterseal_proto.bundle import canonical
from meterseal_proto.enrolment import Genesis
from meterseal_proto.entry import bill_hash_entry, tariff_entry
from meterseal_proto.evidence import contents as parts
from meterseal_proto.evidence.billedload import Netted, write_netted
from meterseal_proto.evidence.contents import numbered
from meterseal_proto.evidence.ledgerrun import write_runs
from meterseal_proto.evidence.places import write_places
from meterseal_proto.evidence.sealedfile import SealedRegister, write_seals
from meterseal_proto.evidence.slotsfile import write_history, write_slots
from meterseal_proto.rating.line import Line
from meterseal_proto.rating.statement import Statement, Usage
from meterseal_proto.rating.statement_json import read_statement

_TARIFFS: Final = """
SELECT document, log_entry_id FROM full_tariffs WHERE hash IN ({marks})
ORDER BY valid_from
"""
_NETTED: Final = """
SELECT n.start, n.length, sum(n.wh), min(b.number), max(b.number)
FROM netted_slots n JOIN bills b ON b.id = n.bill_id
WHERE n.supply_id = ? AND n.start >= ? AND n.start < ? AND n.bill_id <= ?
GROUP BY n.start, n.length, n.bill_id ORDER BY n.start, n.length
"""
# Whatever was issued in the place of a bill since, it was made of the one before it.
_PREVIOUS: Final = """
SELECT id FROM bills WHERE supply_id = ? AND to_at = ? AND kind = 'bill' AND id < ?
ORDER BY id DESC LIMIT 1
"""


@dataclass(frozen=True, slots=True)
class Told:
    """An open register of a bill: its file's number, and since when its usage was believed.

    `follows`: the member has a bill before, so the reading before the period is his too.
    """

    number: int
    usage: Usage
    known_at: int
    follows: bool


async def gather(tx: Transaction, bill: BillRow, genesis: Genesis) -> Gathered:
    """Return the files of a bill's evidence; NotYet while the log has not all of it."""
    statement, entries = read_statement(bill.document), Entries()
    files = {
        parts.NETWORK: canonical(asdict(genesis)),
        parts.STATEMENT: bill.document,
        parts.SALT: _salt(bill, entries),
    }
    earlier = await _earlier(tx, bill, files, entries)
    await _previous(tx, bill, files, entries)
    await _tariffs(tx, statement, files, entries)
    keys: list[bytes] = []
    hidden = []
    for number, told in enumerate(statement.usage, 1):
        if told.proof:
            place = await readings.place_of(tx, told.meter, told.register)
            hidden.append(Hidden(number, place.row, told.proof))
        elif told.digest:
            billed = Told(number, told, bill.known_at, parts.PREVIOUS in files)
            found = await _register(tx, billed, genesis, entries)
            files |= found[0]
            keys += found[1]
    retired = await _netted(tx, bill, files)
    if hidden and retired:
        span = (hidden[0].register, bill.begin, bill.end)
        keys += await netting.of_bill(tx, span, genesis, files, entries)
    files[parts.KEYS] = parts.write_keys(list(dict.fromkeys(keys)))
    ids = [*_ids(statement, earlier), *retired]
    files[parts.LEDGER] = write_runs(await postings.runs_of(tx, ids))
    files |= proved_files(await prove_all(tx, entries))
    return Gathered(files, tuple(hidden))


def proved_files(proved: Proved) -> dict[str, bytes]:
    """Return the files of checkpoint, proofs and anchor."""
    files = {
        parts.CHECKPOINT: proved.note.encode(),
        parts.LOG: write_places(proved.places),
    }
    if proved.anchor is not None:
        files[parts.ANCHOR] = proved.anchor
    return files


def _salt(bill: BillRow, entries: Entries) -> bytes:
    if bill.salt is None:
        raise NotYet(ERASED, later=False)
    entries.add(bill.log_entry, bill_hash_entry(bill.hash))
    return parts.write_salt(bill.salt)


async def _earlier(
    tx: Transaction, bill: BillRow, files: dict[str, bytes], entries: Entries
) -> Statement | None:
    """Add the bill that this one takes back, or stands in for."""
    named = bill.corrects or bill.replaces
    if named is None:
        return None
    other = (await store.bills_by_id(tx, [named]))[named]
    files[parts.EARLIER] = other.document
    files[parts.EARLIER_SALT] = _salt(other, entries)
    return read_statement(other.document)


async def _previous(
    tx: Transaction, bill: BillRow, files: dict[str, bytes], entries: Entries
) -> None:
    """Add the bill of the supply's period before that was in force when this one was made.

    A credit note carries what the bill that it takes back did.
    """
    made = bill.id if bill.corrects is None else bill.corrects
    rows = await tx.rows(_PREVIOUS, (bill.supply, bill.begin, made))
    for (row,) in rows:
        other = (await store.bills_by_id(tx, [row]))[row]
        files[parts.PREVIOUS] = other.document
        files[parts.PREVIOUS_SALT] = _salt(other, entries)


async def _tariffs(
    tx: Transaction, statement: Statement, files: dict[str, bytes], entries: Entries
) -> None:
    wanted = sorted({segment.tariff for segment in statement.segments})
    marks = ",".join("?" for _ in wanted)
    rows = await tx.rows(_TARIFFS.format(marks=marks), wanted)
    for number, (document, entry_id) in enumerate(rows, 1):
        files[numbered(parts.TARIFF, number)] = document
        entries.add(entry_id, tariff_entry(document))


async def _register(
    tx: Transaction, of: Told, genesis: Genesis, entries: Entries
) -> tuple[dict[str, bytes], list[bytes]]:
    """Return the files of an open register, and its key events."""
    number, told = of.number, of.usage
    place = await readings.place_of(tx, told.meter, told.register)
    billed = Billed(place, told, genesis.network, of.known_at)
    # What the register showed at the beginning is of the reading before it.
    span = (told.begin - place.step * of.follows, told.end)
    seals = await readings.seals_of(tx, place, span, genesis)
    keys = await readings.keys_of(tx, place, seals, entries)
    history = await readings.history_of(tx, billed, entries)
    sealed = SealedRegister(told.meter, told.register, tuple(one.seal for one in seals))
    files = {
        numbered(parts.USAGE, number): write_slots(await readings.slots_of(tx, billed)),
        numbered(parts.HISTORY, number): write_history(history),
    }
    if seals:
        files[numbered(parts.SEALS, number)] = write_seals(sealed)
    return files, keys


async def _netted(
    tx: Transaction, bill: BillRow, files: dict[str, bytes]
) -> list[TransferId]:
    """Add what the bill and those before it netted; returns the ids that retired it."""
    rows = await tx.rows(_NETTED, (bill.supply, bill.begin, bill.end, bill.id))
    if rows:
        slots: dict[tuple[int, int], int] = {}
        for start, length, wh, *_ in rows:
            slots[start, length] = slots.get((start, length), 0) + wh
        told = [Netted(*slot, wh) for slot, wh in slots.items()]
        files[parts.NETTED] = write_netted(told)
    return [retirement_id(number) for number in sorted({row[3] for row in rows})]


def _ids(statement: Statement, earlier: Statement | None) -> list[TransferId]:
    """Return every id that issuing a statement may have posted under: each pair of legs."""
    lines: tuple[Line, ...] = statement.lines
    if earlier is not None:
        lines = (*lines, *earlier.lines)
    owed, own = arrears(statement.member), user(statement.member)
    legs = [(owed, own), (own, owed)]
    for account in {payee(line) for line in lines}:
        for party in (owed, own):
            legs += [(party, account), (account, party)]
    return [transfer_id(statement.number, *pair) for pair in sorted(legs)]
