"""Retiring credits: a Wh that was used names who used it and when, once and for ever.

This module must never bring a retired credit back.
"""

import struct
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
    if wish.holder.split(":", maxsplit=1)[0] not in HOLDERS:
        return Result(wish.id, refusal=Refusal.ACCOUNT_UNKNOWN, field="debit")
    if wish.wh < 1:
        return Result(wish.id, refusal=Refusal.MALFORMED, field="amount")
    span = wish.interval
    if span.start < 0 or span.length < 1:
        return Result(wish.id, refusal=Refusal.MALFORMED, field="interval")
    transfer = Transfer(
        id=wish.id,
        amount=wish.wh,
        debit=wish.holder,
        credit=retired(wish.beneficiary),
        purpose="retire",
        effective_at=span.end,
        reference=struct.pack(">QQ", span.start, span.length),
    )
    (result,) = await ledger.post(tx, [transfer], now=now)
    if result.entered and not result.duplicate:
        row = (wish.id, wish.holder, wish.beneficiary, span.start, span.length)
        await tx.many(_WRITE, [(*row, wish.wh, now)])
    return result
