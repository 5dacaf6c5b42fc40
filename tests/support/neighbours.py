"""Neighbours of a private home: what they sell it is settled, and its Wh are the member's.

    street = await move_in(home.desk.database, home.member, home.point_row)
    await street.deliver(BEGAN_AT, 500)            # 500 Wh of the first slot, settled
    await street.promise(BEGAN_AT + 900, 300)      # sold, and not metered yet

Rows are written the way settlement leaves them; what it does itself, its own tests say.
"""

import hashlib
from dataclasses import dataclass

from meterseal_aggregator.ledger import store as ledger
from meterseal_aggregator.ledger.accounts import buyer, retired
from meterseal_aggregator.ledger.assets import declare
from meterseal_aggregator.ledger.model import WH, AccountCode, Transfer, TransferId
from meterseal_aggregator.storage.database import Database, Transaction
from tests.support.marketplace import XTS, make_member, make_point

_METER = AccountCode(f"meter:{bytes(16).hex()}:measured")
_TRADE = """
INSERT INTO trades (lane, rail, meter_point_id, start, length, seller_id, buyer_id, wh,
  price, fee, losses_bp, retail, asset, ask_id, bid_id, made_at, state, metered_wh,
  delivered_wh, run, ended_at)
VALUES (1, 'ledger', ?, ?, ?, ?, ?, ?, 150000, 0, 0, 250000, 'XTS', ?, ?, ?, ?, ?, ?, ?, ?)
"""
_ORDER = """
INSERT INTO auction_orders (side, member_id, meter_point_id, start, length, wh, price, rail,
  state, filled_wh, request_key, submitted_at, ended_at)
VALUES (?, ?, ?, ?, ?, ?, 150000, 'ledger', 'cleared', ?, ?, ?, ?) RETURNING id
"""


@dataclass
class Neighbours:
    """A seller next door, and the member who buys."""

    database: Database
    seller: int
    point: int
    member: int
    count: int = 0

    async def deliver(self, start: int, wh: int, length: int = 900) -> None:
        """Let a slot be sold, metered and settled: its Wh are the member's."""
        async with self.database.transaction() as tx:
            await self._trade(tx, start, length, wh, settled=True)
            await self._move(tx, _METER, buyer(self.member), wh)

    async def promise(self, start: int, wh: int, length: int = 900) -> None:
        """Let a slot be sold whose meter is silent."""
        async with self.database.transaction() as tx:
            await self._trade(tx, start, length, wh, settled=False)

    async def sell_on(self, wh: int) -> None:
        """Let the member sell Wh that he bought."""
        async with self.database.transaction() as tx:
            await self._move(tx, buyer(self.member), AccountCode("escrow:else"), wh)

    async def held(self) -> tuple[int, int]:
        """Return the Wh that the member has, and those that are retired for him."""
        codes = [buyer(self.member), retired(str(self.member))]
        async with self.database.reading() as tx:
            found = await ledger.balances(tx, WH, codes)
        have, used = [found[code].held if code in found else 0 for code in codes]
        return have, used

    async def _trade(
        self, tx: Transaction, start: int, length: int, wh: int, *, settled: bool
    ) -> None:
        self.count += 1
        await tx.rows(
            "INSERT INTO slot_sales (meter_point_id, start, length, seller_id, cap_wh,"
            " promised_wh) VALUES (?, ?, ?, ?, 100000, ?) ON CONFLICT DO NOTHING",
            (self.point, start, length, self.seller, wh),
        )
        sides = [("ask", self.seller, self.point), ("bid", self.member, None)]
        ids = []
        for side, member, point in sides:
            key = f"{side}-{self.count}"
            row = (side, member, point, start, length, wh, wh, key, start, start)
            ids.append((await tx.rows(_ORDER, row))[0][0])
        end = start + length
        came = ("settled", wh, wh, 1, end) if settled else ("held", None, 0, 0, None)
        whose = (self.point, start, length, self.seller, self.member, wh)
        await tx.rows(_TRADE, (*whose, *ids, start, *came))

    async def _move(
        self, tx: Transaction, debit: AccountCode, credit: AccountCode, wh: int
    ) -> None:
        self.count += 1
        named = hashlib.sha256(b"neighbours %d" % self.count).digest()
        entry = Transfer(TransferId(named), wh, debit, credit, "mint", effective_at=0)
        (result,) = await ledger.post(tx, [entry], now=1)
        assert result.entered, result


async def move_in(database: Database, member: int) -> Neighbours:
    """Let a neighbour who sells move in next to a member."""
    async with database.transaction() as tx:
        await declare(tx, XTS, now=1)
        seller = await make_member(tx, "neighbour")
        point = await make_point(tx, seller)
    return Neighbours(database, seller, point, member)
