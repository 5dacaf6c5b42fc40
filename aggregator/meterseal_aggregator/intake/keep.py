"""What a judged batch leaves behind, as rows: the same few statements for any size.

Accepted seals become a log entry, a seal, its readings and salts; chains move on; what
was not accepted is kept as evidence within daily limits an agent, and beyond them counted.
Two things are kept whatever the limits say: the header of every link of a chain, and the
first seal that contradicts another of the same register and number. Everything happens in the caller's transaction. This module must never decide
what is acceptable, and never write a row that a verdict did not ask for.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final, NamedTuple

from meterseal_aggregator.intake.accept import Fate
from meterseal_aggregator.intake.judge import Judged, Spoiled
from meterseal_aggregator.privacy import store as privacy
from meterseal_aggregator.privacy.model import NewDay
from meterseal_aggregator.storage.database import Transaction
from meterseal_aggregator.translog import store as translog
from meterseal_proto.committed import CommittedSeal
from meterseal_proto.entry import ENTRY_VERSION, EntryType
from meterseal_proto.errors import Reason
from meterseal_proto.seal import Seal

EVIDENCE_ROWS: Final = 100
"""Refused messages kept of an agent a day; the rest is counted. Enough to see what it does."""
EVIDENCE_BYTES: Final = 256 * 1024
"""Bytes of them kept of an agent a day: 50 of our largest seals."""
EVIDENCE_PAYLOAD: Final = 8_192
"""Bytes kept of one refused message: every seal is shorter."""
EVIDENCE_DETAIL: Final = 200
"""Characters kept of the sentence that says why: no message makes it longer."""
LINK_BYTES: Final = 1024 * 1024
"""Bytes of quarantined seals kept whole of an agent a day, 200 of the largest; of those
beyond, header and signature are kept, as a log entry has them."""
DAY_S: Final = 86_400

_SEAL_ENTRY: Final = bytes((EntryType.SEAL, ENTRY_VERSION))
_SEALS: Final = """
INSERT INTO seals (id, register_id, seq, hash, first, step, count, signature, prev, root,
  received_at, log_entry_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_READINGS: Final = """
INSERT INTO readings (register_id, start, length, revision, delta, value, quality, seal_id)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
"""
_SALTS: Final = (
    "INSERT INTO salts (register_id, start, revision, salt) VALUES (?, ?, ?, ?)"
)
_HEADS: Final = """
INSERT INTO heads (register_id, seq, hash, end_at, value) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (register_id) DO UPDATE SET seq = excluded.seq, hash = excluded.hash,
  end_at = excluded.end_at, value = excluded.value
"""
QUARANTINE: Final = """
INSERT INTO quarantine (register_id, agent, seq, chained, reason, detail, payload, hash,
  received_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (hash, reason) DO NOTHING
"""
_STEPS: Final = """
INSERT INTO register_steps (register_id, at, from_at, from_value, to_value, seq, cause)
VALUES (?, ?, ?, ?, ?, ?, ?)
"""
_EQUIVOCATIONS: Final = """
INSERT INTO equivocations (register_id, hash, from_at, to_at, seq, received_at)
VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING
"""
_USED: Final = f"""
SELECT agent, reason IN ({", ".join(str(int(r)) for r in Reason if r.advances)}),
  sum(kept), sum(kept_bytes)
FROM refusals WHERE day = ? AND agent IN ({{marks}}) GROUP BY 1, 2
"""  # noqa: S608 - our own numbers
_CONTRADICTED: Final = """
WITH asked (register_id, seq) AS (VALUES {pairs})
SELECT DISTINCT a.register_id, a.seq FROM asked a JOIN quarantine q
  ON q.reason = 11 AND q.register_id = a.register_id AND q.seq = a.seq
"""
REFUSALS: Final = """
INSERT INTO refusals (day, agent, reason, seen, kept, kept_bytes) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (day, agent, reason) DO UPDATE SET seen = seen + excluded.seen,
  kept = kept + excluded.kept, kept_bytes = kept_bytes + excluded.kept_bytes
"""

Lap = Callable[[str], None]
"""Told the name of each stage as it ends; a benchmark times them."""

# Rows of mixed types for the driver; the tables' own types check them.
_Row = tuple[Any, ...]


class Exhibit(NamedTuple):
    """A message that was not accepted: its row of evidence, if a day's limit allows.

    `at_least` is the payload kept beyond the limit: a link's header and signature.
    """

    agent: str
    reason: Reason
    row: _Row
    at_least: bytes | None = None

    @property
    def size(self) -> int:
        """What it takes of the day's limit: payload and detail, in bytes."""
        return len(self.row[6]) + len(self.row[5].encode())

    @property
    def place(self) -> tuple[int, int]:
        """The register's row and the sequence number."""
        return self.row[0], self.row[2]


@dataclass(slots=True)
class Rows:
    """The rows of a batch, by table; see `sort_out` and `keep`."""

    accepted: list[Judged] = field(default_factory=list)
    days: list[NewDay] = field(default_factory=list)
    """What was accepted of committed registers; theirs are the last of `entries`."""
    entries: list[bytes] = field(default_factory=list)
    heads: dict[int, _Row] = field(default_factory=dict)
    steps: list[_Row] = field(default_factory=list)
    equivocations: list[_Row] = field(default_factory=list)
    exhibits: list[Exhibit] = field(default_factory=list)
    uncounted: list[tuple[str, Reason]] = field(default_factory=list)
    """Agent and reason of what is counted only."""


@dataclass(slots=True)
class Budget:
    """What of each agent's messages may still be kept today: links apart from the rest."""

    used: dict[tuple[str, bool], tuple[int, int]]

    def take(self, one: Exhibit) -> bool:
        """Tell whether another exhibit is kept whole, and book it."""
        links = one.reason.advances
        rows, kept = self.used.get((one.agent, links), (0, 0))
        most = LINK_BYTES if links else EVIDENCE_BYTES
        if kept + one.size > most or (rows >= EVIDENCE_ROWS and not links):
            return False
        self.used[one.agent, links] = (rows + 1, kept + one.size)
        return True


def sort_out(judged: Iterable[Judged], spoiled: Iterable[Spoiled], now: int) -> Rows:
    """Return the rows that verdicts ask for; plain work, made for a thread."""
    rows, days = Rows(), list[Judged]()
    for one in judged:
        if one.verdict.fate is Fate.ACCEPTED:
            (rows.accepted if isinstance(one.offer.seal, Seal) else days).append(one)
            _move(rows, one)
        elif one.verdict.fate is Fate.QUARANTINED:
            _link(rows, one, now)
            _move(rows, one)
        elif one.verdict.fate is Fate.REFUSED:
            _refuse(rows, one, now)
    for agent, payload, reason, detail in spoiled:
        digest, kept = sha256(payload).digest(), payload[:EVIDENCE_PAYLOAD]
        row = (None, agent, None, 0, reason, _short(detail), kept, digest, now)
        rows.exhibits.append(Exhibit(agent, reason, row))
    # Neighbours in a register's order are neighbours in every index; seqs stay in order.
    rows.accepted.sort(key=_register_id)
    rows.entries = [
        _SEAL_ENTRY + one.offer.consensus + one.offer.seal.signature
        for one in [*rows.accepted, *days]
    ]
    rows.days = [_day(one) for one in days]
    return rows


async def keep(tx: Transaction, rows: Rows, now: int, lap: Lap) -> None:
    """Write the rows; at most twelve statements, however many messages there were.

    Five more where days of committed registers are among them.
    """
    if rows.entries:
        entry_ids = await translog.append(tx, rows.entries)
        lap("log")
        open_seals = len(rows.accepted)
        await _keep_seals(tx, rows, entry_ids[:open_seals], now)
        await privacy.keep_days(tx, rows.days, entry_ids[open_seals:], now)
    await tx.many(_HEADS, list(rows.heads.values()))
    await tx.many(_STEPS, rows.steps)
    await tx.many(_EQUIVOCATIONS, rows.equivocations)
    if rows.exhibits or rows.uncounted:
        await tx.many(QUARANTINE, await _count(tx, rows, now // DAY_S))
    lap("rows")


async def _keep_seals(
    tx: Transaction, rows: Rows, entry_ids: Sequence[int], now: int
) -> None:
    seals: list[_Row] = []
    readings: list[_Row] = []
    salts: list[_Row] = []
    for one, seal_id in zip(rows.accepted, entry_ids, strict=True):
        offer, chain = one.offer, one.chain
        assert chain is not None
        register_id, seal = chain.claim.register_id, offer.seal
        assert isinstance(seal, Seal)
        h = seal.header
        seals.append(
            (seal_id, register_id, h.seq, offer.digest, h.first, h.step, h.count,
             seal.signature, h.prev, h.root, now, seal_id)
        )  # fmt: skip
        for r, salt in zip(seal.records, seal.salts, strict=True):
            readings.append(
                (register_id, r.start, h.step, r.revision, r.delta, r.value, r.quality,
                 seal_id)
            )  # fmt: skip
            salts.append((register_id, r.start, r.revision, salt))
    await tx.many(_SEALS, seals)
    await tx.many(_READINGS, readings)
    await tx.many(_SALTS, salts)


def _day(one: Judged) -> NewDay:
    seal = one.offer.seal
    assert isinstance(seal, CommittedSeal)
    return NewDay(_register_id(one), one.offer.digest, seal)


def _register_id(one: Judged) -> int:
    assert one.chain is not None
    return one.chain.claim.register_id


def _move(rows: Rows, one: Judged) -> None:
    assert one.chain is not None
    head, register_id = one.chain.head, one.chain.claim.register_id
    rows.heads[register_id] = (register_id, head.seq, head.hash, head.end, head.value)


def _link(rows: Rows, one: Judged, now: int) -> None:
    """A quarantined seal: its header is always kept, for later seals point to it."""
    offer, (_, reason, detail), chain, was = one
    assert chain is not None
    assert was is not None
    assert reason is not None
    header, register_id = offer.seal.header, chain.claim.register_id
    row = (
        register_id, offer.agent, header.seq, 1, reason, _short(detail), offer.payload,
        offer.digest, now,
    )  # fmt: skip
    entry = _SEAL_ENTRY + offer.consensus + offer.seal.signature
    rows.exhibits.append(Exhibit(offer.agent, reason, row, entry))
    if reason.rebases and isinstance(offer.seal, Seal):
        last = offer.seal.records[-1].value
        step = (register_id, header.end, was.end, was.value, last, header.seq, reason)
        rows.steps.append(step)


def _refuse(rows: Rows, one: Judged, now: int) -> None:
    offer, (_, reason, detail), chain, _ = one
    assert reason is not None
    header = offer.seal.header
    register_id = chain.claim.register_id if chain else None
    if reason is Reason.OUT_OF_ORDER:
        rows.uncounted.append((offer.agent, reason))
        return
    digest, payload = sha256(offer.payload).digest(), offer.payload[:EVIDENCE_PAYLOAD]
    if reason is Reason.MODE:
        # An open seal of a committed register holds what must not be anywhere here.
        payload = b""
    if reason is Reason.EQUIVOCATION and chain is not None:
        digest, payload = offer.digest, offer.payload
        link = chain.known.get(header.seq)
        spans = {(header.first, header.end)}
        if link is not None and link.first < link.until:
            spans.add((link.first, link.until))
        rows.equivocations += [
            (register_id, digest, *span, header.seq, now) for span in sorted(spans)
        ]
    row = (
        register_id, offer.agent, header.seq, 0, reason, _short(detail), payload, digest,
        now,
    )  # fmt: skip
    rows.exhibits.append(Exhibit(offer.agent, reason, row))


def _short(detail: str) -> str:
    return detail[:EVIDENCE_DETAIL]


async def _count(tx: Transaction, rows: Rows, day: int) -> list[_Row]:
    """Count what was not accepted today and return the evidence that is kept."""
    budget = Budget(await _used(tx, rows.exhibits, day))
    first = await _not_contradicted(tx, rows.exhibits)
    seen = Counter(rows.uncounted)
    kept: Counter[tuple[str, Reason]] = Counter()
    size: Counter[tuple[str, Reason]] = Counter()
    evidence = []
    for one in rows.exhibits:
        name = (one.agent, one.reason)
        seen[name] += 1
        row = one.row
        if budget.take(one) or (
            one.reason is Reason.EQUIVOCATION and one.place in first
        ):
            first.discard(one.place)
            kept[name] += 1
            size[name] += one.size
        elif one.at_least is not None:
            row = (*row[:6], one.at_least, *row[7:])
        else:
            continue
        evidence.append(row)
    counts = [
        (day, *name, count, kept[name], size[name]) for name, count in seen.items()
    ]
    await tx.many(REFUSALS, counts)
    return evidence


async def _used(
    tx: Transaction, exhibits: Sequence[Exhibit], day: int
) -> dict[tuple[str, bool], tuple[int, int]]:
    agents = sorted({one.agent for one in exhibits})
    if not agents:
        return {}
    marks = ", ".join("?" * len(agents))
    found = await tx.rows(_USED.format(marks=marks), (day, *agents))
    return {(agent, bool(links)): (rows, size) for agent, links, rows, size in found}


async def _not_contradicted(
    tx: Transaction, exhibits: Sequence[Exhibit]
) -> set[tuple[int, int]]:
    """Return the places that are contradicted here for the first time."""
    places = {one.place for one in exhibits if one.reason is Reason.EQUIVOCATION}
    if not places:
        return places
    known = await tx.rows_of_pairs(_CONTRADICTED, list(places))
    return places - {(register_id, seq) for register_id, seq in known}
