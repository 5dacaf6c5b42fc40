"""What the outbox does: keep records, reserve seals, forget only what is answered.

Every function is one transaction and takes the time (UTC Unix seconds) it needs. Used
by one thread; nothing here waits, retries or signs. A seal once reserved is never cut
again, only sent again, and a register has at most one that is not answered: the schema
itself refuses otherwise.

    box = Outbox(path, registers=2, network=network)
    box.enrol(starts)
    box.add([(record, state.to_json())])      # record and sampler state, together
    box.reserve([draft]); box.sign(seal, payload)
    box.apply(receipt, now=now)               # the only way out
"""

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from meterseal_agent.outbox import (
    answers,
    days,
    deposits,
    memory,
    netted,
    openings,
    shown,
    waiting,
)
from meterseal_agent.outbox.database import File
from meterseal_agent.outbox.deposits import Deposited
from meterseal_agent.outbox.memory import Memory
from meterseal_agent.outbox.model import (
    CHAIN_COLUMNS,
    Applied,
    Chain,
    Depth,
    Draft,
    KeptDay,
    SealKey,
    Start,
    Stored,
    read_chain,
)
from meterseal_agent.outbox.netted import Told
from meterseal_agent.record import Record
from meterseal_proto.bill import ProvedBill
from meterseal_proto.errors import Reason
from meterseal_proto.receipt import Receipt
from meterseal_proto.units import MeterId, RegisterId

KEEP_S: Final = 48 * 3600
"""How long answered rows stay: a technician can still see yesterday, and the day before."""
PRUNE_ROWS: Final = 200
"""Answered seals dropped at once when room is short: about a page of work each."""


class Outbox:
    """The agent's durable queue, one file for all registers of one network."""

    def __init__(self, path: Path, *, registers: int, network: bytes) -> None:
        self._file = File(path, registers)
        self._network = network
        self._awake: set[int] = set()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    @property
    def max_bytes(self) -> int:
        """The size the file will never pass."""
        return self._file.max_bytes

    def enrol(self, starts: Sequence[Start]) -> None:
        """Take up registers not known yet; what is known stays as it stands."""
        with self._file.transaction() as tx:
            for start in starts:
                _enrol(tx, start)

    def chains(self) -> list[Chain]:
        """Return every register's chain."""
        rows = self._file.connection().execute(
            f"SELECT {CHAIN_COLUMNS} FROM chains ORDER BY id"  # noqa: S608
        )
        return [read_chain(row) for row in rows]

    def states(self) -> dict[tuple[MeterId, RegisterId], str]:
        """Return the sampler states kept with the last records."""
        rows = self._file.connection().execute(
            "SELECT meter, register, state FROM chains WHERE state IS NOT NULL"
        )
        return {(MeterId(m), RegisterId(r)): state for m, r, state in rows}

    def add(self, rows: Sequence[tuple[Record, str]]) -> bool:
        """Keep records, each with the sampler's state after it; False without room.

        On False nothing was kept, no state either: the sampler goes on from the old
        one, so one long record covers the hole once there is room. A second record of
        a slot that is held changes nothing but the state. Raises KeyError for a
        register that was never enrolled, Unavailable when the disk fails.
        """
        if not self._room():
            return False
        with self._file.transaction() as tx:
            found = [_add(tx, record, state) for record, state in rows]
        self._awake.update(found)
        return True

    def ready(self) -> list[Chain]:
        """Return chains with records to seal and no seal unanswered, oldest record first."""
        return waiting.ready(self._file.connection())

    def pending(self, chain: Chain) -> list[Record]:
        """Return the oldest records not sealed yet, at most a seal's worth and one."""
        return waiting.pending(self._file.connection(), chain)

    def reserve(self, drafts: Sequence[Draft]) -> None:
        """Reserve each draft's sequence number and store its header, in one transaction."""
        if drafts:
            self._room()
        with self._file.transaction() as tx:
            for draft in drafts:
                _reserve(tx, draft)

    def reserve_day(self, draft: Draft, day: KeptDay) -> None:
        """Reserve a committed day and keep its values beside it, in one transaction."""
        self._room()
        with self._file.transaction() as tx:
            _reserve(tx, draft)
            days.keep(tx, day)

    def day(self, seal: SealKey) -> KeptDay | None:
        """Return the values of a committed seal, None where there are none."""
        return days.find(self._file.connection(), seal)

    def tellings(self, chain: Chain, first: int) -> list[int | None]:
        """Return how each day told from `first` on was answered, in the order told."""
        return days.tellings(self._file.connection(), chain.id, first)

    def failed_days(self) -> list[KeptDay]:
        """Return days whose proof did not hold and that can be told again now."""
        connection = self._file.connection()
        found = [days.find(connection, key) for key in days.failed(connection)]
        return [day for day in found if day is not None]

    def days_between(self, chain: Chain, begin: int, end: int) -> list[KeptDay]:
        """Return the accepted days that begin in [`begin`, `end`), in order of time."""
        return days.between(self._file.connection(), chain.id, begin, end)

    def told(self, chain: Chain, begin: int, end: int) -> list[shown.Telling]:
        """Return the tellings of days that begin in [`begin`, `end`), oldest first."""
        return shown.told(self._file.connection(), chain, begin, end)

    def kept_days(self, chain: Chain) -> tuple[int, int] | None:
        """Return when the first and the last day that is kept begin; None without any."""
        return shown.bounds(self._file.connection(), chain)

    def records(self, chain: Chain, since: int) -> list[Record]:
        """Return the newest records that end after `since`, sealed or not, oldest first."""
        return shown.records(self._file.connection(), chain, since)

    def revision(self, day: KeptDay) -> int:
        """Return which telling of its slots a day is, from 0."""
        return days.revision(self._file.connection(), day)

    def learn_tariff(self, digest: bytes, document: bytes, *, now: int) -> bool:
        """Keep a tariff with the moment it was first known; False without room."""
        with self._file.transaction() as tx:
            if openings.has_room(tx, digest, document):
                openings.learn(tx, digest, document, now)
                return True
        return False

    def tariff(self, digest: bytes) -> tuple[bytes, int] | None:
        """Return a tariff's document and when it was first known."""
        return openings.tariff(self._file.connection(), digest)

    def read_until(self, chain: Chain) -> int:
        """Return up to when a register was read, as records and days here tell, or 0."""
        ((until,),) = self._file.connection().execute(
            "SELECT max(coalesce((SELECT start + length FROM records WHERE chain = ?1"
            "  ORDER BY start DESC LIMIT 1), 0), coalesce("
            " (SELECT max(first + step) FROM days WHERE chain = ?1), 0))",
            (chain.id,),
        )
        return int(until)

    def openings(self, chain: Chain) -> list[ProvedBill]:
        """Return all that was opened of a register, in the order of its chain."""
        return openings.of(self._file.connection(), self._network, chain)

    def keep_opening(self, chain: Chain, bill: ProvedBill) -> None:
        """Keep a bill before it leaves; sqlite3.IntegrityError where its place is taken."""
        with self._file.transaction() as tx:
            openings.keep(tx, chain.id, bill)

    def netted(self, chain: Chain, begin: int, end: int) -> dict[int, Told]:
        """Return what was told for netting of days that begin in [`begin`, `end`)."""
        return netted.of(self._file.connection(), chain.id, begin, end)

    def keep_netted(self, chain: Chain, days: Mapping[int, Told]) -> None:
        """Keep what is told of days, by start, before it leaves; once for each day."""
        with self._file.transaction() as tx:
            netted.keep(tx, chain.id, days.items())

    def memory(self, chain: Chain) -> Memory | None:
        """Return since when a register's openings are known for sure.

        None before its first record since the start: only then it is seen how long this
        disk lay still.
        """
        if chain.id not in self._awake:
            return None
        return memory.of(self._file.connection(), chain.id)

    def deposits(self) -> dict[MeterId, Deposited]:
        """Return every meter's deposit of mask seeds, and whether it is kept."""
        return deposits.every(self._file.connection())

    def keep_deposits(self, rows: Sequence[tuple[MeterId, bytes]]) -> None:
        """Keep deposits before they leave, in one transaction."""
        with self._file.transaction() as tx:
            deposits.keep(tx, rows)

    def deposit_signed(self, meter: MeterId, signatures: Sequence[bytes]) -> None:
        """Note that all three trustees signed for a meter's deposit."""
        with self._file.transaction() as tx:
            deposits.signed(tx, meter, signatures)

    def early(self, *, now: int) -> frozenset[SealKey]:
        """Return the unanswered committed seals that may not leave yet."""
        return days.early(self._file.connection(), now)

    def forget(self, chain: Chain) -> int:
        """Drop records that end at or before the head: their energy is accounted for.

        Only a clock set back, or a head that moved by replacement, leaves such rows.
        """
        with self._file.transaction() as tx:
            return tx.execute(
                "DELETE FROM records WHERE chain = ? AND seq IS NULL"
                " AND start + length <= ?",
                (chain.id, chain.head.end),
            ).rowcount

    def unanswered(self) -> list[Stored]:
        """Return every seal without an answer, oldest first across registers."""
        return waiting.unanswered(self._file.connection())

    def doubtful(self) -> list[Stored]:
        """Return refused seals that may have been taken since, of chains that are stuck."""
        return waiting.doubtful(self._file.connection())

    def sign(self, signed: Iterable[tuple[Stored, bytes]]) -> None:
        """Store the signed payloads of reserved seals, in one transaction."""
        rows = [(payload, seal.chain, seal.seq) for seal, payload in signed]
        with self._file.transaction() as tx:
            tx.executemany(
                "UPDATE seals SET payload = ?, signed = 1"
                " WHERE chain = ? AND seq = ? AND NOT signed",
                rows,
            )

    def apply(self, receipt: Receipt, *, now: int) -> Applied:
        """Apply the aggregator's signed answers, all in one transaction.

        Refusals come first: a seal that is named in both was refused.
        """
        with self._file.transaction() as tx:
            return answers.apply(tx, self._network, receipt, now)

    def prune(self, *, now: int) -> int:
        """Drop answered seals and their records after KEEP_S; returns how many seals.

        Those that `doubtful` may need stay until the chain's head has passed them.
        """
        with self._file.transaction() as tx:
            days.drop(tx, before=now - days.KEEP_S)
            netted.drop(tx, before=now - days.KEEP_S)
        return self._drop_answered(before=now - KEEP_S, limit=PRUNE_ROWS)

    def depths(self) -> list[Depth]:
        """Return what waits, register by register."""
        return waiting.depths(self._file.connection())

    @property
    def full(self) -> bool:
        """Whether records may take no more room, answered rows included."""
        return self._file.free_pages() <= 0

    def _room(self) -> bool:
        """Make room by dropping answered rows, oldest first; tell whether there is any."""
        while self._file.free_pages() <= 0:
            if not self._drop_answered(before=None, limit=PRUNE_ROWS):
                return False
        return True

    def _drop_answered(self, *, before: int | None, limit: int) -> int:
        with self._file.transaction() as tx:
            gone = tx.execute(
                "SELECT chain, seq FROM seals WHERE answered_at IS NOT NULL"
                " AND (?1 IS NULL OR answered_at < ?1 AND NOT (reason = ?3 AND"
                "  seq > (SELECT c.seq FROM chains c WHERE c.id = seals.chain)))"
                " ORDER BY answered_at LIMIT ?2",
                (before, limit, int(Reason.TIME_WINDOW)),
            ).fetchall()
            tx.executemany("DELETE FROM records WHERE chain = ? AND seq = ?", gone)
            tx.executemany("DELETE FROM seals WHERE chain = ? AND seq = ?", gone)
        return len(gone)


def _reserve(tx: sqlite3.Connection, draft: Draft) -> None:
    # The unique index refuses a second unanswered seal of a chain.
    tx.execute(
        "INSERT INTO seals (chain, seq, first, end_at, value, hash, payload)"
        " VALUES (?,?,?,?,?,?,?)",
        (
            *(draft.chain, draft.seq, draft.first, draft.end),
            *(draft.value, draft.hash, draft.payload),
        ),
    )
    tx.execute("UPDATE chains SET reserved = ? WHERE id = ?", (draft.seq, draft.chain))
    tx.execute(
        "UPDATE records SET seq = ? WHERE chain = ? AND seq IS NULL"
        " AND start + length <= ?",
        (draft.seq, draft.chain, draft.upto),
    )


def _enrol(tx: sqlite3.Connection, start: Start) -> None:
    head = start.head
    row = tx.execute(
        "INSERT INTO chains (meter, register, step, capacity_w, seq, hash, end_at,"
        " value, reserved, tried) VALUES (?,?,?,?,?,?,?,?,?,?)"
        " ON CONFLICT (meter, register) DO NOTHING RETURNING id",
        (
            *(start.meter, start.register, start.step, start.capacity_w, head.seq),
            *(head.hash, head.end, head.value, head.seq, 0),
        ),
    ).fetchone()
    if row and start.opening:
        memory.begin(tx, row[0], head.end, start.opening)


def _add(tx: sqlite3.Connection, record: Record, state: str) -> int:
    """Keep a record; returns its chain."""
    found = tx.execute(
        "UPDATE chains SET state = ? WHERE meter = ? AND register = ? RETURNING id",
        (state, record.meter, record.register),
    ).fetchone()
    if found is None:
        raise KeyError(f"register {record.register} was never enrolled")
    tx.execute(
        "INSERT INTO records (chain, start, length, delta, value, quality)"
        " VALUES (?,?,?,?,?,?) ON CONFLICT (chain, start) DO NOTHING",
        (
            *(found[0], record.start, record.length),
            *(record.delta, record.value, int(record.quality)),
        ),
    )
    memory.noticed(tx, found[0], record.start, record.end)
    return int(found[0])
