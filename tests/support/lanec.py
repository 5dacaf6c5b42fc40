"""Lane C at work: certified producers with minted Wh, buyers with money, and their wishes.

lane = await a_lane(database)          # Ada and Bo made 10 kWh each; Cleo, Dan have money
deed = await lane.do(Kind.BUY, lane.cleo, 500, seller=lane.ada)
"""

from dataclasses import dataclass, field
from typing import Final

from meterseal_aggregator.ledger import store as ledger
from meterseal_aggregator.ledger.accounts import buyer, producer, user
from meterseal_aggregator.ledger.model import (
    WH,
    AccountCode,
    Asset,
    Transfer,
    TransferId,
)
from meterseal_aggregator.market.listings import audit
from meterseal_aggregator.market.listings.deal import do
from meterseal_aggregator.market.listings.model import (
    HOUSE,
    REFUNDS,
    Deed,
    Kind,
    Wish,
    listed,
)
from meterseal_aggregator.storage.database import Database, Transaction
from tests.support.marketplace import (
    NOW,
    XTS,
    certify,
    fund,
    make_member,
    make_point,
)

MADE_WH: Final = 10_000
PAID_IN: Final = 10_000_000
MOST: Final = (1 << 63) - 1


async def mint(tx: Transaction, member: int, wh: int) -> None:
    """Credit a member with Wh, as the credits room does."""
    await move(tx, AccountCode("meter:ff:measured"), producer(member), wh, WH)


async def move(
    tx: Transaction, debit: AccountCode, credit: AccountCode, amount: int, asset: Asset
) -> None:
    """Move anything, as some other room would."""
    ((entries,),) = await tx.rows("SELECT count(*) FROM ledger_transfers")
    name = TransferId(entries.to_bytes(16))
    wish = Transfer(name, amount, debit, credit, "test", NOW, asset)
    (result,) = await ledger.post(tx, [wish], now=NOW)
    assert result.entered, result


@dataclass
class Lane:
    """Two producers, two buyers, and what they hold."""

    database: Database
    ada: int = 0
    bo: int = 0
    cleo: int = 0
    dan: int = 0
    points: dict[int, int] = field(default_factory=dict)
    keys: int = 0
    now: int = NOW

    @property
    def members(self) -> tuple[int, ...]:
        """All four."""
        return self.ada, self.bo, self.cleo, self.dan

    def wish(
        self, kind: Kind, member: int, wh: int, seller: int = HOUSE, bound: int = -1
    ) -> Wish:
        """A new wish; by default a buyer pays whatever it costs."""
        self.keys += 1
        own = kind in (Kind.ADD, Kind.REMOVE)
        any_price = MOST if kind is Kind.BUY else 0
        return Wish(
            kind, member, member if own else seller, wh,
            any_price if bound < 0 else bound, f"key-{self.keys}",
        )  # fmt: skip

    async def grant(self, wish: Wish) -> Deed:
        async with self.database.transaction() as tx:
            return await do(tx, wish, now=self.now)

    async def do(
        self, kind: Kind, member: int, wh: int, seller: int = HOUSE, bound: int = -1
    ) -> Deed:
        return await self.grant(self.wish(kind, member, wh, seller, bound))

    async def held(self, code: AccountCode, asset: Asset = WH) -> int:
        """What an account may give."""
        async with self.database.reading() as tx:
            return await held(tx, code, asset)

    async def wh(self, member: int) -> tuple[int, int, int]:
        """What a member made and holds, has for sale, and bought."""
        codes = (producer(member), listed(member), buyer(member))
        made, waiting, bought = [await self.held(code) for code in codes]
        return made, waiting, bought

    async def money(self, member: int) -> int:
        return await self.held(user(member), XTS)

    async def fund(self) -> int:
        return await self.held(REFUNDS, XTS)


async def held(tx: Transaction, code: AccountCode, asset: Asset = WH) -> int:
    """What an account may give, nothing where it never opened."""
    found = (await ledger.balances(tx, asset, [code])).get(code)
    return found.held if found else 0


async def findings(lane: Lane) -> list[str]:
    """Return what lane C's audit finds wrong."""
    async with lane.database.reading() as tx:
        return [one.detail for one in await audit.findings(tx) if not one.ok]


async def a_lane(database: Database) -> Lane:
    """Let Ada and Bo make MADE_WH each, and Cleo and Dan pay PAID_IN each in."""
    lane = Lane(database)
    async with database.transaction() as tx:
        for name in ("ada", "bo", "cleo", "dan"):
            setattr(lane, name, await make_member(tx, name.title()))
        for who in (lane.ada, lane.bo):
            lane.points[who] = await make_point(tx, who)
            await certify(tx, lane.points[who])
            await mint(tx, who, MADE_WH)
        for who in (lane.cleo, lane.dan):
            await fund(tx, who, PAID_IN, now=NOW)
    return lane


async def promise(
    tx: Transaction, member: int, point: int, start: int, wh: int
) -> None:
    """Let a member have promised Wh of a slot."""
    await tx.many(
        "INSERT INTO slot_sales (meter_point_id, start, length, seller_id, cap_wh,"
        " promised_wh) VALUES (?, ?, 900, ?, ?, ?)",
        [(point, start, member, max(wh, 1), wh)],
    )


async def a_trade(
    tx: Transaction,
    number: int,
    sides: tuple[int, int],
    point: int,
    start: int,
    state: str,
) -> None:
    """Write a trade of 100 Wh between seller and buyer as it stands in a state."""
    seller, bought = sides
    await tx.rows(
        "INSERT INTO offers (id, seller_id, meter_point_id, price, rail,"
        " request_key, made_at) VALUES (?, ?, ?, 1000, 'ledger', ?, 1)",
        (number, seller, point, f"o{number}"),
    )
    await tx.rows(
        "INSERT INTO orders (id, offer_id, buyer_id, seller_id, rail, state, wh,"
        " request_key, reserved_at, confirmed_at)"
        " VALUES (?, ?, ?, ?, 'ledger', 'confirmed', 100, ?, 1, 1)",
        (number, number, bought, seller, f"o{number}"),
    )
    metered = 100 if state == "settled" else None
    ended = None if state == "held" else NOW
    await tx.rows(
        "INSERT INTO trades (id, lane, rail, meter_point_id, start, length,"
        " seller_id, buyer_id, wh, price, fee, losses_bp, retail, asset, order_id,"
        " made_at, state, metered_wh, delivered_wh, ended_at)"
        " VALUES (?, 0, 'ledger', ?, ?, 900, ?, ?, 100, 1000, 0, 0, 1000, 'XTS', ?,"
        " 1, ?, ?, ?, ?)",
        (
            number, point, start, seller, bought, number, state, metered, metered or 0,
            ended,
        ),
    )  # fmt: skip
