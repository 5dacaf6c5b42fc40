"""Tariffs' nouns: a published version, and why one is not published.

Pure. This module must never read a table.
"""

from dataclasses import dataclass
from enum import StrEnum

from meterseal_proto.rating.tariff import FullTariff


class Cause(StrEnum):
    """Why a tariff is not published, or not found; the value is the problem's name."""

    UNKNOWN = "no-such-tariff"
    DOCUMENT = "tariff"
    """Not a tariff, or more than the log's entry holds."""
    TEMPLATE = "tariff-template"
    ZONE = "no-such-zone"
    CURRENCY = "no-such-asset"
    RETROACTIVE = "retroactive"
    OVERLAP = "overlap"
    GAP = "gap"


class NotPublished(Exception):
    """Why there is no such version: a `cause` of the closed list, and what to do."""

    def __init__(self, cause: Cause, detail: str) -> None:
        super().__init__(detail)
        self.cause = cause
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Version:
    """A version of a code: it holds from `begin` to `end` (None: until the next one).

    `digest` is the document's hash, 32 bytes, `entry` its log entry's id. `template` is
    the hash of the template it was made from, where it follows parameters.
    """

    tariff: FullTariff
    digest: bytes
    entry: int
    begin: int
    end: int | None
    template: bytes | None = None
