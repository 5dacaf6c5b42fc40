"""Intake's audit: invariants 6 and 8 of ARCHITECTURE, and one hash of all it holds.

Every accepted seal is made again from its rows, hashed, and compared with its leaf in the
log and with the chain before it. Invariant 1 is evaluated by `vee.audit`, days of committed
registers by `privacy.check`, whose table is looked at here so that no leaf is left over.
This module must never write, and never show a reading.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

from meterseal_aggregator.intake.store import StoredSeal, seal_rows
from meterseal_aggregator.storage.database import Transaction
from meterseal_aggregator.storage.finding import Finding
from meterseal_aggregator.translog.store import Rotten
from meterseal_proto.enrolment import Genesis
from meterseal_proto.entry import EntryType

LEAVES: Final = 6
"""Every accepted seal has exactly one leaf, and it verifies."""
ONCE: Final = 8
"""No (meter, register, seq) signed over two payloads is ever accepted twice."""

_STRAY: Final = """
SELECT count(*) FROM log_entries e LEFT JOIN seals s ON s.log_entry_id = e.id
LEFT JOIN committed_seals c ON c.log_entry_id = e.id
WHERE substr(e.body, 1, 1) = ? AND s.id IS NULL AND c.id IS NULL
"""
_LINKS: Final = """
SELECT register_id, hash FROM quarantine WHERE chained = 1
"""
_BEGINNINGS: Final = "SELECT id, enrolment_hash FROM registers"
_TWICE: Final = """
SELECT count(*) FROM seals s JOIN quarantine q
  ON q.chained = 1 AND q.register_id = s.register_id AND q.seq = s.seq
"""
_HEADS: Final = """
SELECT h.register_id FROM heads h WHERE h.hash NOT IN (
  SELECT hash FROM seals WHERE register_id = h.register_id AND seq = h.seq
  UNION ALL
  SELECT hash FROM committed_seals WHERE register_id = h.register_id AND seq = h.seq
  UNION ALL
  SELECT hash FROM quarantine
    WHERE chained = 1 AND register_id = h.register_id AND seq = h.seq)
ORDER BY h.register_id LIMIT 1
"""
# What the same inputs in any order leave; ids and times of arrival are the order's.
_STATE: Final = {
    "heads": "register_id, seq, hash, end_at, value",
    "seals": "register_id, seq, hash, first, step, count, prev, root",
    "readings": "register_id, start, length, revision, delta, value, quality",
    "salts": "register_id, start, revision, salt",
    "quarantine": "register_id, seq, hash, reason, chained",
    "register_steps": "register_id, at, from_at, from_value, to_value, seq",
    "committed_seals": "register_id, seq, hash, first, step, count, revision, prev, root",
    "range_proofs p JOIN committed_seals s ON s.id = p.seal_id": (
        "s.register_id, s.seq, p.state, p.proof, p.envelope"
    ),
}


@dataclass(slots=True)
class Ancestry:
    """The header hashes each register's next seal may follow."""

    last: dict[int, bytes]
    quarantined: set[tuple[int, bytes]] = field(default_factory=set)

    def follow(self, kept: StoredSeal) -> bool:
        """Take the next seal of a register; tells whether it follows what is known."""
        prev, row = kept.seal.header.prev, kept.register_id
        follows = prev == self.last.get(row) or (row, prev) in self.quarantined
        self.last[row] = kept.digest
        return follows


async def findings(tx: Transaction, genesis: Genesis) -> list[Finding]:
    """Rebuild every accepted seal; say whether leaves and chains are as they must be."""
    ancestry = Ancestry(dict(await tx.rows(_BEGINNINGS)))
    ancestry.quarantined.update(
        (register_id, digest) for register_id, digest in await tx.rows(_LINKS)
    )
    count, erased = 0, 0
    try:
        async for kept in _every_seal(tx, genesis):
            count += 1
            erased += kept.erased
            if not ancestry.follow(kept):
                detail = f"seal row {kept.id} does not follow its register's chain"
                return [Finding(ONCE, ok=False, detail=detail)]
    except Rotten as rotten:
        return [Finding(LEAVES, ok=False, detail=str(rotten))]
    return [await _leaves(tx, count, erased), await _once(tx, count)]


async def state_hash(tx: Transaction) -> bytes:
    """Return SHA-256 over all that inputs leave, whatever order they came in; 32 bytes.

    Evidence of what was refused is left out: how often a thing was refused is not what
    the network agreed on. It reads every row, so it is for tests and small networks.
    """
    total = sha256()
    for name, columns in _STATE.items():
        only = " WHERE chained = 1" if name == "quarantine" else ""
        query = f"SELECT {columns} FROM {name}{only} ORDER BY 1, 2, 3"  # noqa: S608 - names of ours
        for row in await tx.rows(query):
            total.update(repr(row).encode())
        total.update(b"\x00")
    return total.digest()


async def _every_seal(tx: Transaction, genesis: Genesis) -> AsyncIterator[StoredSeal]:
    last = 0
    while page := await seal_rows(tx, genesis, after=last):
        last = page[-1].id
        for kept in page:
            yield kept


async def _leaves(tx: Transaction, count: int, erased: int) -> Finding:
    ((stray,),) = await tx.rows(_STRAY, (bytes((EntryType.SEAL,)),))
    detail = f"{count} seals have one leaf each, which verifies; {erased} erased"
    if stray:
        detail = f"{stray} seal entries of the log belong to no accepted seal"
    return Finding(LEAVES, ok=not stray, detail=detail)


async def _once(tx: Transaction, count: int) -> Finding:
    ((twice,),) = await tx.rows(_TWICE)
    if twice:
        detail = f"{twice} sequence numbers are both accepted and quarantined"
        return Finding(ONCE, ok=False, detail=detail)
    adrift = await tx.rows(_HEADS)
    if adrift:
        detail = f"the head of register {adrift[0][0]} is no seal of its chain"
        return Finding(ONCE, ok=False, detail=detail)
    ((told_twice,),) = await tx.rows("SELECT count(*) FROM equivocations")
    detail = f"{count} seals form one chain a register; {told_twice} spans told twice"
    return Finding(ONCE, ok=True, detail=f"{detail} and set aside")
