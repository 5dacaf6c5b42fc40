"""Tariffs as they are published: one spelling, one hash, one entry of the public log.

A private bill names its tariff by hash, and a device opens nothing at a tariff it has not
seen under a checkpoint. This module must never change a tariff, nor keep one whose zone
this machine does not know: then nobody here could price an interval.
"""

from datetime import datetime
from functools import partial
from typing import Final
from zoneinfo import ZoneInfo

from meterseal_aggregator.privacy.model import Cause, NotTaken
from meterseal_aggregator.storage.database import Transaction
from meterseal_aggregator.translog import cosignatures, proofs
from meterseal_aggregator.translog import store as log
from meterseal_proto.entry import tariff_entry
from meterseal_proto.errand_down import TariffTold
from meterseal_proto.errors import Malformed
from meterseal_proto.tariff import LocalTime, Tariff, parse_tariff

_KEEP: Final = """
INSERT INTO tariffs (hash, document, logged_at, log_entry_id) VALUES (?, ?, ?, ?)
"""


def clock_of(zone: str) -> LocalTime:
    """Return a zone's clock; raises NotTaken for a zone this machine does not know."""
    try:
        return partial(datetime.fromtimestamp, tz=ZoneInfo(zone))
    except (KeyError, OSError, ValueError):
        # An unknown zone is a KeyError to zoneinfo, a folder of its database an OSError.
        detail = f"no time zone {zone!r} is known here"
        raise NotTaken(Cause.TARIFF, detail) from None


async def publish(tx: Transaction, document: bytes, *, now: int) -> tuple[int, Tariff]:
    """Log and keep a tariff at Unix second `now`; the same again changes nothing.

    Returns its log entry's id with it. Raises NotTaken (TARIFF) for a document that is none.
    """
    try:
        tariff = parse_tariff(document)
    except Malformed as error:
        raise NotTaken(Cause.TARIFF, error.detail) from None
    clock_of(tariff.zone)
    known = await tx.rows(
        "SELECT log_entry_id FROM tariffs WHERE hash = ?", (tariff.hash(),)
    )
    if known:
        return int(known[0][0]), tariff
    (entry_id,) = await log.append(tx, [tariff_entry(document)])
    await tx.many(_KEEP, [(tariff.hash(), document, now, entry_id)])
    return entry_id, tariff


async def tariff_named(tx: Transaction, digest: bytes) -> Tariff | None:
    """Return the tariff of a hash, or None."""
    rows = await tx.rows("SELECT document FROM tariffs WHERE hash = ?", (digest,))
    return parse_tariff(rows[0][0]) if rows else None


async def evidence(tx: Transaction, digest: bytes) -> TariffTold | None:
    """Prove a tariff's entry under the checkpoint over it that most witnesses cosigned.

    None for a tariff nobody published, and while no cosigned checkpoint covers it.
    """
    rows = await tx.rows(
        "SELECT log_entry_id, document FROM tariffs WHERE hash = ?", (digest,)
    )
    entry_id, document = rows[0] if rows else (0, b"")
    index = (await log.indices(tx, [entry_id])).get(entry_id)
    head = None if index is None else await cosignatures.covering(tx, index)
    if head is None:
        return None
    found = await proofs.include(tx, entry_id, head)
    assert found is not None, "the checkpoint covers it"
    note = await cosignatures.note(tx, head)
    return TariffTold(document, found.index, found.proof, note)


async def published(
    tx: Transaction, *, after: int, limit: int
) -> list[tuple[int, Tariff]]:
    """Return tariffs in the order they were logged, each with its log entry's id."""
    rows = await tx.rows(
        "SELECT log_entry_id, document FROM tariffs WHERE log_entry_id > ?"
        " ORDER BY log_entry_id LIMIT ?",
        (after, limit),
    )
    return [(row[0], parse_tariff(row[1])) for row in rows]
