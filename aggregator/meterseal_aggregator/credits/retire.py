"""Retiring credits: a Wh that was used names who used it and when, once and for ever.

This module must never bring a retired credit back.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from meterseal_aggregator.ledger import store as ledger
from meterseal_aggregator.ledger.accounts import retired
from meterseal_aggregator.ledger.model import (
    AccountCode,
    Refusal,
    Result,
    Transfer,
    TransferId,
    linked,
)
from meterseal_aggregator.storage.database import Transaction
from meterseal_proto.intervals import Interval

HOLDERS: Final = ("producer", "buyer", "escrow", "chain")
"""The kinds of account whose credits may be retired."""

_WRITE: Final = """
INSERT INTO retirements (transfer_id, holder, beneficiary, start, length, wh, retired_at)
VALUES (?, ?, ?, ?, ?, ?, ?)
"""


@dataclass(frozen=True, slots=True)
class Retirement:
    """`wh` credits of `holder` count as used by `beneficiary` in `interval`.

    `beneficiary` has 1-64 characters of A-Z a-z 0-9 . _ - (it names an account).
    """

    id: TransferId
    holder: AccountCode
    beneficiary: str
    interval: Interval
    wh: int


async def retire(tx: Transaction, wish: Retirement, *, now: int) -> Result:
    """Move credits to `retired:<beneficiary>` at Unix second `now`; idempotent by id.

    The interval is part of the transfer's content, so the same id with another interval
    is refused. A refusal writes nothing.
    """
    wrong = _wrong(wish)
    if wrong is not None:
        return wrong
    (result,) = await retire_all(tx, [wish], now=now)
    return result


async def retire_all(
    tx: Transaction, wishes: Sequence[Retirement], *, now: int
) -> list[Result]:
    """Retire many, all or none, in a constant number of statements; results in order.

    Raises ValueError for a wish that `retire` would refuse by itself.
    """
    for wish in wishes:
        wrong = _wrong(wish)
        if wrong is not None:
            raise ValueError(f"a retirement has no legal {wrong.field}")
    results = await ledger.post(tx, linked(list(map(_transfer, wishes))), now=now)
    rows = [
        (w.id, w.holder, w.beneficiary, w.interval.start, w.interval.length, w.wh, now)
        for w, result in zip(wishes, results, strict=True)
        if result.entered and not result.duplicate
    ]
    await tx.many(_WRITE, rows)
    return results


def _wrong(wish: Retirement) -> Result | None:
    if wish.holder.split(":", maxsplit=1)[0] not in HOLDERS:
        return Result(wish.id, refusal=Refusal.ACCOUNT_UNKNOWN, field="debit")
    if wish.wh < 1:
        return Result(wish.id, refusal=Refusal.MALFORMED, field="amount")
    if wish.interval.start < 0 or wish.interval.length < 1:
        return Result(wish.id, refusal=Refusal.MALFORMED, field="interval")
    return None


def _transfer(wish: Retirement) -> Transfer:
    span = wish.interval
    return Transfer(
        id=wish.id,
        amount=wish.wh,
        debit=wish.holder,
        credit=retired(wish.beneficiary),
        purpose="retire",
        effective_at=span.end,
        reference=struct.pack(">QQ", span.start, span.length),
    )
