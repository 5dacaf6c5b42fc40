"""What meters told of a member's time, as far as it can be tied to his usage.

Salts of readings and edits, free texts of edits, telemetry, backups of private days, and
refused messages, whose payload holds readings in the open: a link of the chain keeps its
header and signature, everything else of it goes. Readings themselves stay: they are sums
that registers, credits and neighbours' trades are checked by, of a meter that is nobody's
then. This module must never touch another tenant's time.
"""

from typing import Final

from meterseal_aggregator.registry import store as registry
from meterseal_aggregator.registry.model import Span
from meterseal_aggregator.storage.database import Transaction
from meterseal_proto.entry import open_seal_entry, seal_entry
from meterseal_proto.errors import Rejected
from meterseal_proto.message import decode_seal

FOR_EVER: Final = 1 << 62
_STEP: Final = "SELECT step FROM registers WHERE id = ?"
# By time, as the table lies: a register's own starts are named one by one.
_SALTS: Final = """
WITH RECURSIVE grid (start) AS (
  SELECT ?2 UNION ALL SELECT start + ?3 FROM grid WHERE start + ?3 < ?4)
DELETE FROM salts WHERE register_id = ?1 AND start IN (SELECT start FROM grid)
"""
_LAST: Final = "SELECT max(first + step * count) FROM seals WHERE register_id = ?"
_EDITS: Final = """
UPDATE vee_edits SET salt = NULL WHERE salt IS NOT NULL AND value_id IN (
  SELECT id FROM vee_values WHERE register_id = ?1 AND start < ?3 AND start + length > ?2)
"""
_TEXTS: Final = """
UPDATE vee_values SET reason = '' WHERE reason <> '' AND register_id = ?1
  AND start < ?3 AND start + length > ?2
"""
_TELEMETRY: Final = """
DELETE FROM telemetry WHERE meter = ? AND end_at > ? AND begin_at < ?
"""
_BACKUPS: Final = """
DELETE FROM backups WHERE seal_id IN (
  SELECT id FROM committed_seals WHERE register_id = ? AND first >= ? AND first < ?)
"""
_LINKS: Final = """
SELECT id, payload FROM quarantine WHERE chained = 1 AND register_id = ?
  AND received_at >= ? AND received_at < ?
"""
_BARE: Final = "UPDATE quarantine SET payload = ?, detail = '' WHERE id = ?"
_REFUSED: Final = """
DELETE FROM quarantine WHERE chained = 0 AND received_at >= ?2 AND received_at < ?3
  AND (register_id = ?1 OR agent = (SELECT m.agent FROM registers r
    JOIN meters m ON m.id = r.meter_id WHERE r.id = ?1))
"""


async def forget_readings(tx: Transaction, member: int, network: bytes) -> None:
    """Take all of it for every register of the member's, each in his time."""
    for span in await registry.spans(tx, member):
        until = FOR_EVER if span.to_at is None else span.to_at
        await _salts(tx, span)
        place = (span.register_id, span.from_at, until)
        await tx.rows(_EDITS, place)
        await tx.rows(_TEXTS, place)
        await tx.rows(_TELEMETRY, (span.meter, span.from_at, until))
        await tx.rows(_BACKUPS, place)
        rows = await tx.rows(_LINKS, place)
        await tx.many(_BARE, [(_bare(raw, network), row_id) for row_id, raw in rows])
        await tx.rows(_REFUSED, place)


def _bare(payload: bytes, network: bytes) -> bytes:
    """Return the header and signature of a link's payload, as a log entry spells them."""
    try:
        open_seal_entry(payload)
    except ValueError:
        pass
    else:
        return payload
    try:
        seal = decode_seal(payload, network)
    except (Rejected, ValueError):
        return b""
    return seal_entry(seal.header, seal.signature)


async def _salts(tx: Transaction, span: Span) -> None:
    ((step,),) = await tx.rows(_STEP, (span.register_id,))
    ((last,),) = await tx.rows(_LAST, (span.register_id,))
    begin = span.from_at + -span.from_at % step
    end = min(last or 0, FOR_EVER if span.to_at is None else span.to_at)
    if begin < end:
        await tx.rows(_SALTS, (span.register_id, begin, step, end))
