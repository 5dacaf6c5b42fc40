"""Invariant 24: a tariff is what the log says, one version a second; supplies lie in tenancies.

Every version is read again: its columns, its hash, its entry in the log, its place between
its neighbours, and where it follows parameters, what those were. Every supply lies within
a tenancy of its member, alone at its meter point. Reads the log's and the registry's
tables. This module must never write.
"""

from itertools import groupby, pairwise
from typing import Final

from meterseal_aggregator.billing.tariffs import store
from meterseal_aggregator.billing.tariffs.template import parse_template
from meterseal_aggregator.parameters import store as parameters
from meterseal_aggregator.storage.database import Row, Transaction
from meterseal_aggregator.storage.finding import Finding
from meterseal_proto.entry import tariff_entry
from meterseal_proto.errors import Malformed
from meterseal_proto.rating.tariff import parse_full_tariff

SUPPLIED: Final = 24
"""The number of "one tariff a second, and nobody is billed where he does not live"."""

_VERSIONS: Final = """
SELECT v.code, v.valid_from, v.valid_to, v.asset, v.hash, v.document, e.body, t.document
FROM full_tariffs v LEFT JOIN log_entries e ON e.id = v.log_entry_id
LEFT JOIN tariff_templates t ON t.hash = v.template_hash
ORDER BY v.code, v.valid_from
"""
_OUTSIDE: Final = """
SELECT s.id FROM supplies s WHERE NOT EXISTS (
  SELECT 1 FROM tenancies t WHERE t.meter_point_id = s.meter_point_id
  AND t.member_id = s.member_id AND t.from_at <= s.from_at
  AND coalesce(t.to_at, ?1) >= coalesce(s.to_at, ?1))
ORDER BY s.id LIMIT 1
"""
_TWICE: Final = """
SELECT o.id FROM supplies s JOIN supplies o ON o.meter_point_id = s.meter_point_id
  AND o.id > s.id AND o.from_at < coalesce(s.to_at, ?1)
  AND s.from_at < coalesce(o.to_at, ?1)
ORDER BY o.id LIMIT 1
"""
_UNTARIFFED: Final = """
SELECT s.id FROM supplies s WHERE NOT EXISTS (
  SELECT 1 FROM full_tariffs v WHERE v.code = s.tariff_code
  AND v.valid_from <= s.from_at AND coalesce(v.valid_to, ?1) > s.from_at)
ORDER BY s.id LIMIT 1
"""
_COUNT: Final = "SELECT count(*) FROM supplies"
_RULES: Final = (
    (_OUTSIDE, "is not within a tenancy of its member"),
    (_TWICE, "has a meter point that another one has at the same time"),
    (_UNTARIFFED, "begins by a tariff that does not hold then"),
)


async def findings(tx: Transaction) -> list[Finding]:
    """Say whether all tariffs and supplies are what they must be."""
    rows = await tx.rows(_VERSIONS)
    for row in rows:
        wrong = _of_itself(row) or await _of_parameters(tx, row)
        if wrong:
            return [_failed(f"tariff {row[0]!r} from {row[1]}: {wrong}")]
    for code, group in groupby(rows, key=lambda row: row[0]):
        for one, other in pairwise(group):
            if one[2] != other[1]:
                told = f"tariff {code!r}: from {one[1]} to {one[2]}, then {other[1]}"
                return [_failed(told)]
    for sql, wrong in _RULES:
        found = await tx.rows(sql, (store.FOR_EVER,))
        if found:
            return [_failed(f"supply {found[0][0]} {wrong}")]
    ((supplies,),) = await tx.rows(_COUNT)
    detail = (
        f"{len(rows)} versions of tariffs are as logged, {supplies} supplies in place"
    )
    return [Finding(SUPPLIED, ok=True, detail=detail)]


def _failed(detail: str) -> Finding:
    return Finding(SUPPLIED, ok=False, detail=detail)


def _of_itself(row: Row) -> str:
    """Return what of a version is not what its document and the log say, or nothing."""
    code, begin, _, asset, digest, document, body, _ = row
    try:
        tariff = parse_full_tariff(document)
    except Malformed as error:
        return error.detail
    if tariff.hash() != digest:
        return "its document has another hash"
    if (tariff.id, tariff.valid_from, tariff.currency) != (code, begin, asset):
        return "its document says another code, currency or beginning"
    return "" if body == tariff_entry(document) else "the log says otherwise"


async def _of_parameters(tx: Transaction, row: Row) -> str:
    """Return how a version differs from the parameters it follows, or nothing."""
    _, begin, end, *_, document, _, template = row
    if template is None:
        return ""
    known = parse_template(template)
    values = await parameters.values_at(tx, known.names, begin)
    if known.filled(values, begin) != document:
        return "the parameters it is made of are others"
    later = await parameters.next_change(tx, known.names, begin)
    # A version published by hand ends the template's rule where it begins.
    if later is not None and (end is None or later < end):
        return f"a parameter it is made of changes at {later}, and it does not"
    return ""
