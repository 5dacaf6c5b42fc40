"""A tariff on a period's total: flat, block or lifeline, as a document with one spelling.

    {"blocks": [{"price": 100000, "upto": 10000}, {"price": 250000}], "currency": "STX",
     "daily": 1000, "id": "blocks", "kind": "block", "meterseal": "totals-tariff/1",
     "valid_from": 1790000000, "zone": "Europe/Madrid"}

What a total costs does not depend on when it was used, so a contract can compute it from
one opening of a month (SETTLED 26). `flat`: one price. `block`: each Wh at the price of the
block it falls into. `lifeline`: a total within the first block costs its price; beyond it,
nothing does, and the second price begins at 0. Prices are micro-units per kWh (or m3),
`upto` is in Wh, the last block has none; `daily` is micro-units a day. This module must
never round but where it says so: `charge` rounds once, down.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from meterseal_proto.boundedjson import read_json, uint
from meterseal_proto.errors import Malformed
from meterseal_proto.tariff import (
    MAX_DOCUMENT_BYTES,
    MAX_PRICE,
    MicroPerKwh,
    Tariff,
    canonical,
    read_names,
)

FORMAT: Final = "totals-tariff/1"
MAX_BLOCKS: Final = 5
"""As in the contract `billing`; more than tariffs in use have."""
UNLIMITED: Final = 1 << 48
"""Where a last block ends: no meter counts so far in a month. Daily charges stay below."""
MAX_DAYS: Final = 31
_DOMAIN: Final = b"meterseal/totals-tariff/v1\x00"


class Kind(StrEnum):
    """How blocks are read."""

    FLAT = "flat"
    BLOCK = "block"
    LIFELINE = "lifeline"


@dataclass(frozen=True, slots=True)
class Block:
    """Up to `upto` Wh of the period's total at `price` per kWh."""

    upto: int
    price: MicroPerKwh


@dataclass(frozen=True, slots=True)
class TotalsTariff:
    """A tariff on totals, in `currency`, from `valid_from` (Unix s) on.

    ValueError unless blocks grow, end with UNLIMITED, and are as many as the kind has.
    """

    id: str
    currency: str
    zone: str
    valid_from: int
    kind: Kind
    blocks: tuple[Block, ...]
    daily: int = 0

    def __post_init__(self) -> None:
        ends = [block.upto for block in self.blocks]
        if not 1 <= len(ends) <= MAX_BLOCKS or ends[-1] != UNLIMITED:
            raise ValueError(f"1 to {MAX_BLOCKS} blocks, the last without an end")
        if [0, *ends] != sorted({0, *ends}):
            raise ValueError("each block ends after the one before")
        if (self.kind is Kind.FLAT) != (len(ends) == 1):
            raise ValueError("a flat tariff has one block, the others more")
        if any(not 0 <= block.price <= MAX_PRICE for block in self.blocks):
            raise ValueError("a price is 0 to 2^32 - 1")
        if not 0 <= self.daily < UNLIMITED:
            raise ValueError("a daily charge is 0 to 2^48 - 1")

    def document(self) -> bytes:
        """Return the one spelling of it."""
        rows = [
            {"price": block.price}
            | ({} if block.upto == UNLIMITED else {"upto": block.upto})
            for block in self.blocks
        ]
        fields = {
            "blocks": rows, "currency": self.currency, "daily": self.daily,
            "id": self.id, "kind": str(self.kind), "meterseal": FORMAT,
            "valid_from": self.valid_from, "zone": self.zone,
        }  # fmt: skip
        return canonical(fields)

    def hash(self) -> bytes:
        """Return SHA-256 of a domain and the document, 32 bytes."""
        return hashlib.sha256(_DOMAIN + self.document()).digest()

    def charge(self, usage: int, days: int) -> int:
        """Return the micro-units for `usage` Wh in `days` days: rounded down once, then daily.

        ValueError outside what the contract charges: below UNLIMITED Wh, up to 31 days.
        """
        if not (0 <= usage < UNLIMITED and 0 <= days <= MAX_DAYS):
            raise ValueError("usage below 2^48 Wh in 0 to 31 days")
        blocks = self.blocks
        if self.kind is Kind.LIFELINE and usage > blocks[0].upto:
            blocks = blocks[1:]
        at = whole = 0
        for block in blocks:
            end = min(usage, block.upto)
            whole += max(end - at, 0) * block.price
            at = max(at, end)
        return whole // 1_000 + days * self.daily


def on_totals(tariff: Tariff) -> TotalsTariff:
    """Return a tariff of one band as the flat tariff on totals that it is.

    ValueError for one with several bands: what a total costs by it depends on when.
    """
    if len(tariff.bands) != 1:
        raise ValueError(
            "prices that change with the time of day or year have no price of a total;"
            " bill them off the chain and post the bill's hash"
        )
    flat = (Block(UNLIMITED, tariff.bands[0].price),)
    return TotalsTariff(
        tariff.id, tariff.currency, tariff.zone, tariff.valid_from, Kind.FLAT, flat
    )


def parse_totals_tariff(document: bytes) -> TotalsTariff:
    """Return the tariff a document spells; Malformed says what is wrong with it."""
    if len(document) > MAX_DOCUMENT_BYTES:
        raise Malformed(f"a tariff has at most {MAX_DOCUMENT_BYTES} bytes")
    try:
        tariff = _tariff(read_json(document, brackets=MAX_BLOCKS + 2))
    except (TypeError, ValueError, KeyError) as error:
        raise Malformed(f"not a tariff on totals: {error}") from None
    if tariff.document() != document:
        raise Malformed("a tariff in another than its one spelling")
    return tariff


def _tariff(fields: Mapping[str, Any]) -> TotalsTariff:  # Any: JSON, checked below
    if not isinstance(fields, dict) or fields.get("meterseal") != FORMAT:
        raise ValueError(f"meterseal must be {FORMAT!r}")
    rows = fields["blocks"]
    if not isinstance(rows, list):
        raise TypeError("blocks: a list of them")
    return TotalsTariff(
        *read_names(fields),
        valid_from=uint(fields["valid_from"], "valid_from"),
        kind=Kind(fields["kind"]),
        blocks=tuple(_block(row) for row in rows),
        daily=uint(fields["daily"], "daily", UNLIMITED - 1),
    )


def _block(row: Mapping[str, Any]) -> Block:  # Any: JSON, as above
    end = uint(row["upto"], "upto", UNLIMITED - 1) if "upto" in row else UNLIMITED
    return Block(end, MicroPerKwh(uint(row["price"], "price", MAX_PRICE)))
