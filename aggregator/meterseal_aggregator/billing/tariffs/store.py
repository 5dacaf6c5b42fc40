"""Versions of tariffs: published before they hold, one after the other, never changed.

    version = await publish(tx, document, now=now)
    for begin, end, tariff in await versions(tx, "residential", month, next_month): ...

A version holds from its document's `valid_from` until the next one of its code, so no two
ever overlap; a code that was ended goes on only where it ended. This module must never
publish what holds already: who is billed must have been able to know (SETTLED 25).
"""

from functools import lru_cache
from typing import Final

from meterseal_aggregator.billing.tariffs.following import LONGEST_CYCLE_S, bound
from meterseal_aggregator.billing.tariffs.model import Cause, NotPublished, Version
from meterseal_aggregator.ledger.assets import declared
from meterseal_aggregator.ledger.model import Asset
from meterseal_aggregator.parameters.zone import zone_of
from meterseal_aggregator.storage.database import Row, Transaction
from meterseal_aggregator.translog import store as log
from meterseal_proto.entry import tariff_entry
from meterseal_proto.errors import Malformed
from meterseal_proto.rating.tariff import FullTariff, parse_full_tariff

PARSED_KEPT: Final = 256
"""Documents kept as read: a utility has tens of tariffs in force."""
FOR_EVER: Final = (1 << 63) - 1
"""Later than any time."""

_KEEP: Final = """
INSERT INTO full_tariffs
  (hash, code, valid_from, asset, document, recorded_at, log_entry_id, template_hash)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
"""
_VERSION: Final = """
SELECT document, hash, log_entry_id, valid_from, valid_to, template_hash
FROM full_tariffs
"""
_SPAN: Final = (
    _VERSION + " WHERE code = ? AND valid_from < ? AND coalesce(valid_to, ?) > ?"
    " ORDER BY valid_from"
)
_LAST: Final = _VERSION + " WHERE code = ? ORDER BY valid_from DESC LIMIT 1"
_NAMED: Final = _VERSION + " WHERE hash = ?"
_PAGE: Final = (
    _VERSION + " WHERE log_entry_id > ? AND (? IS NULL OR code = ?)"
    " ORDER BY log_entry_id LIMIT ?"
)
_BILLED: Final = (
    "SELECT max(billed_to) FROM supplies WHERE tariff_code = ? AND billed_to > from_at"
)
_END: Final = "UPDATE full_tariffs SET valid_to = ? WHERE hash = ? AND valid_to IS NULL"


async def publish(
    tx: Transaction, document: bytes, *, now: int, template: bytes | None = None
) -> Version:
    """Log and keep a tariff as the next version of its code; the same again is the same.

    Raises NotPublished, in the order of Cause.
    """
    tariff = await checked(tx, document)
    known = await version_named(tx, tariff.hash())
    if known is not None:
        return known
    if tariff.valid_from < now:
        raise NotPublished(
            Cause.RETROACTIVE,
            f"it would hold from {tariff.valid_from} and it is {now}: let it begin later",
        )
    await _check_billed(tx, tariff.id, tariff.valid_from)
    await _follow(tx, tariff)
    (entry,) = await log.append(tx, [tariff_entry(document)])
    row = (
        tariff.hash(), tariff.id, tariff.valid_from, tariff.currency, document, now,
        entry, template,
    )  # fmt: skip
    await tx.many(_KEEP, [row])
    return Version(tariff, tariff.hash(), entry, tariff.valid_from, None, template)


async def checked(tx: Transaction, document: bytes) -> FullTariff:
    """Return the tariff a document spells, if it could hold here at some time.

    Raises NotPublished: DOCUMENT, ZONE, CURRENCY.
    """
    try:
        tariff = parse_full_tariff(document)
    except Malformed as error:
        raise NotPublished(Cause.DOCUMENT, error.detail) from None
    try:
        zone_of(tariff.zone)
    except (KeyError, OSError, ValueError):
        # An unknown zone is a KeyError to zoneinfo, a folder of its database an OSError.
        detail = f"no time zone {tariff.zone!r} is known here"
        raise NotPublished(Cause.ZONE, detail) from None
    if Asset(tariff.currency) not in await declared(tx):
        detail = (
            f"the ledger knows no {tariff.currency}: use the network's money_asset, or"
            " have it declared first"
        )
        raise NotPublished(Cause.CURRENCY, detail)
    return tariff


async def end(tx: Transaction, code: str, at: int, *, now: int) -> Version:
    """End a code: its last version holds until `at`, not before now. Raises NotPublished."""
    last = await newest(tx, code)
    if last is None:
        raise NotPublished(Cause.UNKNOWN, f"there is no tariff {code!r}")
    if at < now or at <= last.begin:
        detail = f"{code!r} can end after {max(now, last.begin)} only"
        raise NotPublished(Cause.RETROACTIVE, detail)
    if last.end not in (None, at):
        raise NotPublished(Cause.OVERLAP, f"{code!r} ends at {last.end} already")
    await _check_billed(tx, code, at)
    await tx.many(_END, [(at, last.digest)])
    return Version(last.tariff, last.digest, last.entry, last.begin, at, last.template)


async def versions(
    tx: Transaction, code: str, begin: int, end: int
) -> list[tuple[int, int, FullTariff]]:
    """Return what holds of a code over [`begin`, `end`), in order, each with its part.

    The parts meet and cover the span; raises NotPublished (GAP) naming what is not covered.
    """
    rows = await tx.rows(_SPAN, (code, end, FOR_EVER, begin))
    found, at = [], begin
    for version in map(_version, rows):
        if version.begin > at:
            raise _gap(code, at, version.begin)
        till = end if version.end is None else min(end, version.end)
        found.append((at, till, version.tariff))
        at = till
    if at < end:
        raise _gap(code, at, end)
    return found


async def tariff_named(tx: Transaction, digest: bytes) -> FullTariff | None:
    """Return the tariff of a hash, or None."""
    found = await version_named(tx, digest)
    return found.tariff if found is not None else None


async def version_named(tx: Transaction, digest: bytes) -> Version | None:
    """Return the version of a hash, or None."""
    rows = await tx.rows(_NAMED, (digest,))
    return _version(rows[0]) if rows else None


async def newest(tx: Transaction, code: str) -> Version | None:
    """Return the last version of a code, which may begin later than now; None of none."""
    rows = await tx.rows(_LAST, (code,))
    return _version(rows[0]) if rows else None


async def published(
    tx: Transaction, *, after: int, limit: int, code: str | None = None
) -> list[Version]:
    """Return versions in the order they were logged, of one code or of all."""
    rows = await tx.rows(_PAGE, (after, code, code, limit))
    return [_version(row) for row in rows]


async def _follow(tx: Transaction, tariff: FullTariff) -> None:
    """Let the code's last version end where this one begins; raises NotPublished."""
    last = await newest(tx, tariff.id)
    if last is None:
        return
    if tariff.valid_from <= last.begin or (
        last.end is not None and tariff.valid_from < last.end
    ):
        till = "further notice" if last.end is None else last.end
        raise NotPublished(
            Cause.OVERLAP,
            f"{tariff.id!r} has a version from {last.begin} to {till}: the next one begins"
            f" after {last.begin}"
            + ("" if last.end is None else f", at {last.end} exactly"),
        )
    if last.end is not None and tariff.valid_from > last.end:
        raise _gap(tariff.id, last.end, tariff.valid_from)
    await _check_bills(tx, tariff)
    await tx.many(_END, [(tariff.valid_from, last.digest)])


async def _check_bills(tx: Transaction, tariff: FullTariff) -> None:
    """Raise NotPublished where a bill would be of two currencies, zones or commodities."""
    at = tariff.valid_from
    rows = await tx.rows(_SPAN, (tariff.id, at, FOR_EVER, at - LONGEST_CYCLE_S))
    before = [
        (one.begin, at if one.end is None else one.end, one.tariff)
        for one in map(_version, rows)
    ]
    until = bound(before, tariff)
    if until is not None:
        raise NotPublished(
            Cause.OVERLAP,
            f"{tariff.id!r} has another currency, zone or commodity in the cycle that ends"
            f" at {until}, and a bill has one: begin there or later, or give it another code",
        )


async def _check_billed(tx: Transaction, code: str, at: int) -> None:
    """Raise NotPublished where bills by a code go beyond `at`: the clock was ahead, then.

    They would be corrected by what nobody could know when he used it.
    """
    ((billed,),) = await tx.rows(_BILLED, (code,))
    if billed is not None and at < billed:
        raise NotPublished(
            Cause.RETROACTIVE,
            f"bills by {code!r} go to {billed}: let it begin or end there or later, and"
            " look at this machine's clock",
        )


def _gap(code: str, begin: int, end: int) -> NotPublished:
    return NotPublished(
        Cause.GAP,
        f"tariff {code!r} has no version from {begin} to {end}: let one begin at {begin}",
    )


def _version(row: Row) -> Version:
    document, *rest = row
    return Version(_parsed(document), *rest)


@lru_cache(PARSED_KEPT)
def _parsed(document: bytes) -> FullTariff:
    return parse_full_tariff(document)
