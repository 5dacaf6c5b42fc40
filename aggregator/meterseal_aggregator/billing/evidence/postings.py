"""The ledger's entries that evidence tells: runs of the chain, with the hash before each.

Reads `ledger_transfers` (ledger) by ids, in two statements. Entries of anybody else are
left out, so a run ends where the next entry is not asked for. This module must never tell
an entry that was not asked for by its id.
"""

import json
from collections.abc import Iterable
from typing import Final

from meterseal_aggregator.ledger.chain import START
from meterseal_aggregator.ledger.model import Entry, TransferId
from meterseal_aggregator.ledger.store import ENTRY, entry_of
from meterseal_aggregator.storage.database import Transaction
from meterseal_aggregator.translog.store import Rotten
from meterseal_proto.evidence.ledgerrun import LedgerEntry, LedgerRun

_BEFORE: Final = """
SELECT seq, hash FROM ledger_transfers WHERE seq IN (SELECT value FROM json_each(?))
"""


async def runs_of(tx: Transaction, ids: Iterable[TransferId]) -> list[LedgerRun]:
    """Return the entries among `ids` that there are, in runs of the chain, in order."""
    wanted = sorted(set(ids))
    if not wanted:
        return []
    marks = ",".join("?" for _ in wanted)
    rows = await tx.rows(f"{ENTRY} WHERE t.id IN ({marks}) ORDER BY t.seq", wanted)
    seqs = {row[0] for row in rows}
    starts = [row[0] - 1 for row in rows if row[0] - 1 not in seqs]
    before: dict[int, bytes] = dict(await tx.rows(_BEFORE, (json.dumps(starts),)))
    found: list[tuple[bytes, list[LedgerEntry], bytes]] = []
    for row in rows:
        told = _told(row[0], entry_of(row))
        if row[0] - 1 in seqs:
            first, entries, _ = found[-1]
            found[-1] = (first, [*entries, told], row[1])
        else:
            found.append((before.get(row[0] - 1, START), [told], row[1]))
    return [_checked(LedgerRun(one, tuple(run), last)) for one, run, last in found]


def _checked(run: LedgerRun) -> LedgerRun:
    if run.last_hash() != run.hash:
        seq = run.entries[0].seq
        raise Rotten(f"ledger_transfers {seq}: its hash is not of what it holds")
    return run


def _told(seq: int, entry: Entry) -> LedgerEntry:
    t = entry.transfer
    return LedgerEntry(
        seq, int(t.phase), int(t.at_most), int(t.linked), t.amount, t.timeout_s,
        t.effective_at, entry.recorded_at, t.id, t.pending_id, t.asset, t.debit,
        t.credit, t.purpose, t.reference, int(t.freezes),
    )  # fmt: skip
