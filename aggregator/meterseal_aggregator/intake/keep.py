"""What a judged batch leaves behind, as rows: the same few statements for any size.

Accepted seals become a log entry, a seal, its readings and salts; chains move on; what
was not accepted is kept as evidence, the unsigned part of it within a daily limit an
agent. Everything happens in the caller's transaction. This module must never decide
what is acceptable, and never write a row that a verdict did not ask for.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final

from meterseal_aggregator.intake.accept import Fate
from meterseal_aggregator.intake.judge import Judged, Spoiled
from meterseal_aggregator.storage.database import Transaction
from meterseal_aggregator.translog import store as translog
from meterseal_proto.entry import ENTRY_VERSION, EntryType
from meterseal_proto.errors import Reason

EVIDENCE_ROWS: Final = 100
"""Refused messages kept of an agent a day; the rest is counted. Enough to see what it does."""
EVIDENCE_BYTES: Final = 256 * 1024
"""Bytes of them kept of an agent a day: 50 of our largest seals."""
EVIDENCE_PAYLOAD: Final = 8_192
"""Bytes kept of one refused message: every seal is shorter."""
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
_QUARANTINE: Final = """
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
_USED: Final = """
SELECT agent, sum(kept), sum(kept_bytes) FROM refusals
WHERE day = ? AND agent IN ({marks}) GROUP BY agent
"""
_REFUSALS: Final = """
INSERT INTO refusals (day, agent, reason, seen, kept, kept_bytes) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (day, agent, reason) DO UPDATE SET seen = seen + excluded.seen,
  kept = kept + excluded.kept, kept_bytes = kept_bytes + excluded.kept_bytes
"""

Lap = Callable[[str], None]
"""Told the name of each stage as it ends; a benchmark times them."""

# Rows of mixed types for the driver; the tables' own types check them.
_Row = tuple[Any, ...]


@dataclass(slots=True)
class Rows:
    """The rows of a batch, by table; see `sort_out` and `keep`."""

    accepted: list[Judged] = field(default_factory=list)
    entries: list[bytes] = field(default_factory=list)
    heads: dict[int, _Row] = field(default_factory=dict)
    links: list[_Row] = field(default_factory=list)
    steps: list[_Row] = field(default_factory=list)
    equivocations: list[_Row] = field(default_factory=list)
    refused: list[tuple[str, Reason, _Row]] = field(default_factory=list)
    """Agent, reason and the row of evidence, if the day's limit allows."""
    uncounted: list[tuple[str, Reason]] = field(default_factory=list)
    """Agent and reason of what is counted only."""


@dataclass(slots=True)
class Budget:
    """What of each agent's refused messages may still be kept today."""

    used: dict[str, tuple[int, int]]

    def take(self, agent: str, size: int) -> bool:
        """Tell whether another message of `size` bytes is kept, and book it."""
        rows, kept = self.used.get(agent, (0, 0))
        if rows >= EVIDENCE_ROWS or kept + size > EVIDENCE_BYTES:
            return False
        self.used[agent] = (rows + 1, kept + size)
        return True


def sort_out(judged: Iterable[Judged], spoiled: Iterable[Spoiled], now: int) -> Rows:
    """Return the rows that verdicts ask for; plain work, made for a thread."""
    rows = Rows()
    for one in judged:
        if one.verdict.fate is Fate.ACCEPTED:
            rows.accepted.append(one)
            _move(rows, one)
        elif one.verdict.fate is Fate.QUARANTINED:
            _link(rows, one, now)
            _move(rows, one)
        elif one.verdict.fate is Fate.REFUSED:
            _refuse(rows, one, now)
    for agent, payload, reason, detail in spoiled:
        digest, kept = sha256(payload).digest(), payload[:EVIDENCE_PAYLOAD]
        row = (None, agent, None, 0, reason, detail, kept, digest, now)
        rows.refused.append((agent, reason, row))
    # Neighbours in a register's order are neighbours in every index; seqs stay in order.
    rows.accepted.sort(key=_register_id)
    rows.entries = [
        _SEAL_ENTRY + one.offer.consensus + one.offer.seal.signature
        for one in rows.accepted
    ]
    return rows


async def keep(tx: Transaction, rows: Rows, now: int, lap: Lap) -> None:
    """Write the rows; at most eleven statements, however many messages there were."""
    if rows.accepted:
        entry_ids = await translog.append(tx, rows.entries)
        lap("log")
        await _keep_seals(tx, rows, entry_ids, now)
    await tx.many(_HEADS, list(rows.heads.values()))
    await tx.many(_STEPS, rows.steps)
    await tx.many(_EQUIVOCATIONS, rows.equivocations)
    evidence = list(rows.links)
    if rows.refused or rows.uncounted:
        evidence += await _count(tx, rows, now // DAY_S)
    await tx.many(_QUARANTINE, evidence)
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


def _register_id(one: Judged) -> int:
    assert one.chain is not None
    return one.chain.claim.register_id


def _move(rows: Rows, one: Judged) -> None:
    assert one.chain is not None
    head, register_id = one.chain.head, one.chain.claim.register_id
    rows.heads[register_id] = (register_id, head.seq, head.hash, head.end, head.value)


def _link(rows: Rows, one: Judged, now: int) -> None:
    """A quarantined seal: evidence that is always whole, for later seals point to it."""
    offer, (_, reason, detail), chain, was = one
    assert chain is not None
    assert was is not None
    assert reason is not None
    header, register_id = offer.seal.header, chain.claim.register_id
    row = (
        register_id, offer.agent, header.seq, 1, reason, detail, offer.payload,
        offer.digest, now,
    )  # fmt: skip
    rows.links.append(row)
    if reason.rebases:
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
        register_id, offer.agent, header.seq, 0, reason, detail, payload, digest, now
    )  # fmt: skip
    rows.refused.append((offer.agent, reason, row))


async def _count(tx: Transaction, rows: Rows, day: int) -> list[_Row]:
    """Count what was refused today and return the evidence that may still be kept."""
    agents = sorted({agent for agent, _, _ in rows.refused})
    budget = Budget(await _used(tx, agents, day) if agents else {})
    seen = Counter(rows.uncounted)
    kept: Counter[tuple[str, Reason]] = Counter()
    size: Counter[tuple[str, Reason]] = Counter()
    evidence = []
    for agent, reason, row in rows.refused:
        seen[agent, reason] += 1
        length = len(row[6])
        if budget.take(agent, length):
            kept[agent, reason] += 1
            size[agent, reason] += length
            evidence.append(row)
    counts = [
        (day, agent, reason, count, kept[agent, reason], size[agent, reason])
        for (agent, reason), count in seen.items()
    ]
    await tx.many(_REFUSALS, counts)
    return evidence


async def _used(
    tx: Transaction, agents: Sequence[str], day: int
) -> dict[str, tuple[int, int]]:
    marks = ", ".join("?" * len(agents))
    found = await tx.rows(
        _USED.format(marks=marks),
        (day, *agents),
    )
    return {agent: (rows, size) for agent, rows, size in found}
