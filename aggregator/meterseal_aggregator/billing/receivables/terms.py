"""By which terms of payment a bill goes: those of the tariff it was last rated by.

The tariff's hash stands in the bill's document. A bill whose tariff is not among the full
ones (a private home's) has no late fee and no reward. This module must never guess a
tariff from its code: versions change under it.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from meterseal_aggregator.billing.model import micro
from meterseal_aggregator.billing.tariffs import store as tariffs
from meterseal_aggregator.billing.tariffs.model import NotPublished
from meterseal_aggregator.storage.database import Transaction
from meterseal_proto.rating.terms import Terms

NONE: Final = Terms()
"""No fee and no reward."""

_TARIFF: Final = """
SELECT b.id, b.document ->> '$.segments[#-1].tariff', b.document ->> '$.minor'
FROM json_each(?) a JOIN bills b ON b.id = a.value
"""
_PREPAID: Final = """
SELECT DISTINCT tariff_code FROM supplies
WHERE member_id = ? AND prepaid = 1 AND from_at <= ? AND (to_at IS NULL OR to_at > ?)
"""


@dataclass(frozen=True, slots=True)
class BillTerms:
    """The terms of a bill; `unit` is micro-units in a minor unit of its document."""

    terms: Terms
    unit: int


async def terms_of(tx: Transaction, bill_ids: Sequence[int]) -> dict[int, BillTerms]:
    """Return the terms of bills, by row id: a statement for all, one a tariff more."""
    sql = _TARIFF.replace("b.document", "CAST(b.document AS TEXT)")
    rows = await tx.rows(sql, (json.dumps(list(bill_ids)),))
    known: dict[str, Terms] = {}
    for digest in {row[1] for row in rows}:
        tariff = await tariffs.tariff_named(tx, bytes.fromhex(digest))
        known[digest] = tariff.terms if tariff is not None else NONE
    return {
        bill: BillTerms(known[digest], micro(1, minor)) for bill, digest, minor in rows
    }


async def share_terms(tx: Transaction, member: int, *, now: int) -> Terms | None:
    """Return the terms by which arrears take of a prepaid member's top-up.

    Of several prepaid supplies, the least share holds; None for a member without any, or
    where no version of a tariff holds now.
    """
    shares = []
    for (code,) in await tx.rows(_PREPAID, (member, now, now)):
        try:
            ((_, _, tariff),) = await tariffs.versions(tx, code, now, now + 1)
        except NotPublished:
            return None
        shares.append(tariff.terms.arrears_bp)
    return replace(NONE, arrears_bp=min(shares)) if shares else None
