"""Supplies' table: begin, end, look up, and how far each is billed.

    one = await begin(tx, NewSupply(member, point, Terms("residential"), from_at), now=now)
    await end(tx, one.id, at=moved)

A supply keeps its terms: another tariff code is another supply, from where this one ends
(`change`). Bills belong to the room above; this module must never make one, and never let
what is billed already fall outside a supply.
"""

import sqlite3
from collections.abc import Sequence
from typing import Final

from meterseal_aggregator.billing.supplies.model import (
    Cause,
    NewSupply,
    NotSupplied,
    Supply,
    Terms,
)
from meterseal_aggregator.billing.tariffs import store as tariffs
from meterseal_aggregator.billing.tariffs.model import NotPublished
from meterseal_aggregator.identity.model import MemberId
from meterseal_aggregator.registry import store as registry
from meterseal_aggregator.storage.database import Row, Transaction
from meterseal_proto.rating.statement import Rail

FOR_EVER: Final = (1 << 63) - 1
"""Later than any time: how an open end is compared."""

_SUPPLY: Final = """
SELECT id, member_id, meter_point_id, tariff_code, rail, prepaid, from_at, to_at, billed_to
FROM supplies
"""
_ONE: Final = _SUPPLY + " WHERE id = ?"
_PAGE: Final = (
    _SUPPLY + " WHERE id > ? AND (? IS NULL OR member_id = ?)"
    " AND (? IS NULL OR meter_point_id = ?) ORDER BY id LIMIT ?"
)
_HELD: Final = (
    _SUPPLY + " WHERE meter_point_id = ? AND from_at < ? AND coalesce(to_at, ?) > ?"
    " ORDER BY from_at"
)
_BEGIN: Final = """
INSERT INTO supplies (member_id, meter_point_id, tariff_code, rail, prepaid, from_at,
  to_at, billed_to)
VALUES (?, ?, ?, ?, ?, ?, ?, ?) RETURNING id
"""


async def begin(tx: Transaction, new: NewSupply) -> Supply:
    """Begin a supply: within a tenancy of its member, by a tariff that holds then.

    Raises NotSupplied: TENANCY, TARIFF, OVERLAP.
    """
    if new.to_at is not None and new.to_at <= new.from_at:
        raise NotSupplied(Cause.OVERLAP, "a supply ends after it begins")
    await _check_tenancy(tx, new)
    await _check_tariff(tx, new)
    terms = new.terms
    row = (
        new.member, new.meter_point, terms.tariff_code, terms.rail.value, terms.prepaid,
        new.from_at, new.to_at, new.from_at,
    )  # fmt: skip
    try:
        ((supply_id,),) = await tx.rows(_BEGIN, row)
    except sqlite3.IntegrityError as error:
        if "overlap" not in str(error):
            raise
        till = FOR_EVER if new.to_at is None else new.to_at
        held = (await held_by(tx, new.meter_point, new.from_at, till))[0]
        raise NotSupplied(
            Cause.OVERLAP,
            f"supply {held.id} has meter point {new.meter_point} from {held.from_at}"
            f" to {_told(held.to_at)}: end it first",
        ) from None
    return await supply(tx, supply_id)


async def end(tx: Transaction, supply_id: int, *, at: int) -> Supply:
    """End a supply at `at`; again at the same second changes nothing.

    Raises NotSupplied: UNKNOWN, ENDED, BILLED, and OVERLAP for an end before its beginning.
    """
    found = await supply(tx, supply_id)
    if found.to_at == at:
        return found
    if found.to_at is not None:
        detail = f"supply {supply_id} ends at {found.to_at} already"
        raise NotSupplied(Cause.ENDED, detail)
    if at <= found.from_at:
        detail = f"supply {supply_id} begins at {found.from_at}: end it later"
        raise NotSupplied(Cause.OVERLAP, detail)
    if at < found.billed_to:
        raise NotSupplied(
            Cause.BILLED,
            f"supply {supply_id} is billed to {found.billed_to}: end it then or later, or"
            " correct the bill first",
        )
    await tx.many("UPDATE supplies SET to_at = ? WHERE id = ?", [(at, supply_id)])
    return await supply(tx, supply_id)


async def change(tx: Transaction, supply_id: int, terms: Terms, *, at: int) -> Supply:
    """End a supply at `at` and begin the next one there, of the same member and point.

    Returns the next one. Raises NotSupplied.
    """
    old = await supply(tx, supply_id)
    await end(tx, supply_id, at=at)
    if old.to_at is not None:
        detail = f"supply {supply_id} ends at {old.to_at}: nothing follows it"
        raise NotSupplied(Cause.ENDED, detail)
    return await begin(tx, NewSupply(old.member, old.meter_point, terms, at))


async def supply(tx: Transaction, supply_id: int) -> Supply:
    """Return one supply; raises NotSupplied (UNKNOWN)."""
    rows = await tx.rows(_ONE, (supply_id,))
    if not rows:
        raise NotSupplied(Cause.UNKNOWN, f"there is no supply number {supply_id}")
    return _supply(rows[0])


async def supplies(
    tx: Transaction,
    *,
    after: int,
    limit: int,
    member: int | None = None,
    meter_point: int | None = None,
) -> list[Supply]:
    """Return a page of supplies with ids above `after`, of a member or a point or both."""
    rows = await tx.rows(
        _PAGE, (after, member, member, meter_point, meter_point, limit)
    )
    return [_supply(row) for row in rows]


async def held_by(
    tx: Transaction, meter_point: int, begin: int, end: int
) -> list[Supply]:
    """Return the supplies of a meter point that touch [`begin`, `end`), oldest first."""
    rows = await tx.rows(_HELD, (meter_point, end, FOR_EVER, begin))
    return [_supply(row) for row in rows]


async def billed(tx: Transaction, marks: Sequence[tuple[int, int]]) -> None:
    """Note how far supplies are billed: (supply's id, the second a bill ends at) each.

    The schema refuses going back, and going beyond a supply's end.
    """
    rows = [(to_at, supply_id) for supply_id, to_at in marks]
    await tx.many("UPDATE supplies SET billed_to = ? WHERE id = ?", rows)


async def _check_tenancy(tx: Transaction, new: NewSupply) -> None:
    held = await registry.tenancies(
        tx, member_id=new.member, meter_point_id=new.meter_point
    )
    till = FOR_EVER if new.to_at is None else new.to_at
    for tenancy in held:
        to_at = FOR_EVER if tenancy.to_at is None else tenancy.to_at
        if tenancy.from_at <= new.from_at and till <= to_at:
            return
    raise NotSupplied(
        Cause.TENANCY,
        f"member {new.member} does not hold meter point {new.meter_point} from"
        f" {new.from_at} to {_told(new.to_at)}: let him move in first",
    )


async def _check_tariff(tx: Transaction, new: NewSupply) -> None:
    try:
        await tariffs.versions(tx, new.terms.tariff_code, new.from_at, new.from_at + 1)
    except NotPublished as error:
        raise NotSupplied(Cause.TARIFF, error.detail) from None


def _told(at: int | None) -> str:
    return "further notice" if at is None else str(at)


def _supply(row: Row) -> Supply:
    number, member, point, code, rail, prepaid, *times = row
    terms = Terms(code, Rail(rail), bool(prepaid))
    return Supply(number, MemberId(member), point, terms, *times)
