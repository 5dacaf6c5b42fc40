"""A street whose neighbours have traded: slots sold, metered, corrected, and what came of it.

    world = await a_world(database)               # a seller with a meter, two buyers
    trade = await world.sell(ADA, 0, 500)         # lane A, slot 0, 500 Wh
    await world.tell(400)                         # what the meter says of the next slots
    await world.run()                             # mint, then settle until idle

Orders, offers and asks are inserted as their lanes leave them; trades are made by
`market.trades`, credits by the credits' own duties.
"""

from dataclasses import dataclass
from typing import Final

from meterseal_aggregator.credits import mint
from meterseal_aggregator.identity import store as identity
from meterseal_aggregator.jobs import until_idle
from meterseal_aggregator.ledger import store as ledger
from meterseal_aggregator.ledger.accounts import stake, user
from meterseal_aggregator.ledger.assets import declare as declare_asset
from meterseal_aggregator.ledger.freeze import freeze_account, freeze_hold, thaw
from meterseal_aggregator.ledger.model import (
    WH,
    AccountCode,
    Asset,
    Transfer,
    TransferId,
)
from meterseal_aggregator.market import trades
from meterseal_aggregator.market.delivery import Lane, Terms
from meterseal_aggregator.market.model import Trade, transfer_id
from meterseal_aggregator.market.sales import release
from meterseal_aggregator.market.settlement import duty
from meterseal_aggregator.market.settlement.audit import findings
from meterseal_aggregator.market.settlement.model import SlotRun
from meterseal_aggregator.market.terms import MarketRules
from meterseal_aggregator.parameters.model import Name
from meterseal_aggregator.storage.database import Database, Row, Transaction
from meterseal_aggregator.vee import job as vee
from meterseal_proto.units import EXPORT
from tests.support import lanes
from tests.support.lanes import PAST, Producer
from tests.support.marketplace import (
    REAL,
    SLOT_S,
    XTS,
    certify,
    make_home,
    make_point,
    set_parameter,
)
from tests.support.street import BEGIN, Home

NETWORK: Final = bytes(32)
TERMS: Final = Terms(price=150_000, fee=10_000, losses_bp=300, retail=250_000)
MINTED: Final = 40 * SLOT_S
"""How long after BEGIN the duties run: every slot of a test has ended."""


def slot(number: int) -> int:
    """The first second of the world's slot of that number."""
    return BEGIN + number * SLOT_S


@dataclass
class World:
    """Producers and buyers on one database, and a clock to turn."""

    database: Database
    producers: list[Producer]
    buyers: list[int]
    rules: MarketRules = REAL
    now: int = BEGIN + MINTED
    count: int = 0

    async def sell(
        self,
        buyer: int,
        number: int,
        wh: int,
        *,
        seller: int = 0,
        lane: Lane = Lane.OFFER,
        order: int | None = None,
        terms: Terms = TERMS,
        asset: Asset = XTS,
    ) -> Trade:
        """Make a trade of a slot; `order` adds it to one that was made before."""
        who = self.producers[seller]
        start = slot(number)
        async with self.database.transaction() as tx:
            await lanes.promise(tx, who, start, wh)
            ids: dict[str, int] = {}
            if lane is Lane.OFFER:
                ids["order"] = order or await lanes.order(tx, who, buyer, start, wh)
            else:
                ids["ask"] = await lanes.ask(tx, who, start, wh)
                ids["bid"] = await lanes.bid(tx, buyer, start, wh)
            wish = trades.NewTrade(
                lane, who.point, start, SLOT_S, who.member, buyer, wh, terms, asset,
                **ids,
            )  # fmt: skip
            (made,) = await trades.make(tx, [wish], now=PAST)
        return made

    async def tell(self, *wh: int, seller: int = 0) -> None:
        """Let a meter tell of its next slots."""
        async with self.database.transaction() as tx:
            await self._home(seller).tell(tx, *wh)

    async def revise(
        self, number: int, wh: int, revision: int, *, seller: int = 0
    ) -> None:
        """Let a meter correct what it said of a slot."""
        async with self.database.transaction() as tx:
            await self._home(seller).revise(tx, slot(number), wh, revision)

    async def mint(self) -> None:
        """Run the duties that validate and mint, until they are idle."""
        await until_idle(lambda: vee.run_once(self.database, self.now))
        await until_idle(lambda: mint.run_once(self.database, NETWORK, self.now))

    async def run(self) -> int:
        """Mint and settle until nothing is left to do; returns how much was settled."""
        await self.mint()
        return await self.settle()

    async def settle(self) -> int:
        """Settle until nothing is left to do."""
        return await until_idle(
            lambda: duty.run_once(self.database, self.rules, self.now)
        )

    async def pay_in(self, code: AccountCode, micro: int) -> None:
        """Bring money in from outside."""
        async with self.database.transaction() as tx:
            self.count += 1
            await pay_in(tx, code, micro, self.count)

    async def pay_out(self, code: AccountCode, micro: int) -> None:
        """Let money go outside."""
        self.count += 1
        entry = Transfer(
            id=transfer_id("test-payout", self.count),
            amount=micro,
            debit=code,
            credit=AccountCode("cash"),
            purpose="payout",
            asset=XTS,
        )
        await self._post(entry)

    async def held(self, code: AccountCode, asset: Asset = XTS) -> int:
        """Return what an account may give."""
        async with self.database.reading() as tx:
            found = (await ledger.balances(tx, asset, [code])).get(code)
        return found.held if found else 0

    async def owed(self, code: AccountCode, asset: Asset = XTS) -> int:
        """Return what an account owes."""
        async with self.database.reading() as tx:
            found = (await ledger.balances(tx, asset, [code])).get(code)
        return found.owed if found else 0

    async def energy(self, code: AccountCode) -> int:
        """Return the Wh of an account."""
        return await self.held(code, WH)

    async def trade(self, made: Trade) -> Trade:
        """Return a trade as it stands now."""
        async with self.database.reading() as tx:
            found = await trades.by_id(tx, made.id)
        assert found is not None
        return found

    async def freeze(self, made: Trade) -> TransferId:
        """Open a dispute about a trade's hold."""
        self.count += 1
        named = transfer_id("test-freeze", self.count)
        entry = freeze_hold(named, made.hold, why="dispute", reference=b"1")
        await self._post(entry)
        return named

    async def thaw(self, freeze: TransferId) -> None:
        """End a dispute."""
        self.count += 1
        await self._post(thaw(transfer_id("test-thaw", self.count), freeze))

    async def freeze_stake(self, member: int) -> None:
        """Open a dispute about a seller's stake."""
        self.count += 1
        named = transfer_id("test-freeze", self.count)
        code = stake(member)
        await self._post(
            freeze_account(named, XTS, code, why="dispute", reference=b"1")
        )

    async def cancel(self, made: Trade) -> None:
        """Cancel a trade, as its lane does."""
        async with self.database.transaction() as tx:
            await trades.cancel(tx, [made], now=self.now)
            await release(tx, {(made.meter_point, made.start): made.wh})

    async def promise(self, number: int, wh: int, *, seller: int = 0) -> None:
        """Promise Wh of a slot that nobody has bought, or take them back below 0."""
        async with self.database.transaction() as tx:
            point = self.producers[seller].point
            await release(tx, {(point, slot(number)): -wh})

    async def change_meter(self, at: int, *, seller: int = 0) -> Home:
        """Take a producer's meter away and let another stand there from then on.

        The new one's first interval begins with the next whole step.
        """
        who = self.producers[seller]
        begin = at - at % SLOT_S + SLOT_S
        meter = (9_000 + seller).to_bytes(16)
        async with self.database.transaction() as tx:
            await tx.rows(
                "UPDATE installations SET to_at = ? WHERE meter_point_id = ?",
                (at, who.point),
            )
            await tx.rows(
                "INSERT INTO meters (id, meter, serial, profile, agent, enrolled_at)"
                " VALUES (9000, ?, 'S9000', 'sdm120', 'agent', 0)",
                (meter,),
            )
            await tx.rows(
                "INSERT INTO installations (meter_id, meter_point_id, from_at)"
                " VALUES (9000, ?, ?)",
                (who.point, at),
            )
            await tx.rows(
                "INSERT INTO registers (id, meter_id, register, step, capacity_w,"
                " initial_value, initial_at, enrolment_hash)"
                " VALUES (9000, 9000, ?, ?, 20000, 1000, ?, ?)",
                (EXPORT, SLOT_S, begin, meter * 2),
            )
        return Home(register_id=9_000, meter=meter, member_id=who.member, end=begin)

    async def statements(self) -> int:
        """Settle one batch; returns what it took."""
        async with self.database.transaction() as tx:
            before = tx.statements
            assert await duty.run_batch(tx, self.rules, self.now)
            return tx.statements - before

    async def slot_run(self, number: int, *, seller: int = 0) -> tuple[int, SlotRun]:
        """Return the last run of a slot and what it found."""
        point = self.producers[seller].point
        ((run, *found),) = await self.rows(
            "SELECT run, export_wh, traded_wh, fed_in_wh, kept_wh, owed_wh FROM slot_runs"
            " WHERE meter_point_id = ? AND start = ? ORDER BY run DESC LIMIT 1",
            point,
            slot(number),
        )
        return run, SlotRun(*found)

    async def order_state(self, made: Trade) -> str:
        """Return the state of a trade's order."""
        ((state,),) = await self.rows(
            "SELECT state FROM orders WHERE id = ?", made.order
        )
        return str(state)

    async def trust(self, seller: int = 0) -> list[tuple[str, str, int]]:
        """Return what moved a seller's trust, in order."""
        member = self.producers[seller].member
        rows = await self.rows(
            "SELECT subject, event, change FROM trust_events WHERE member_id = ?"
            " ORDER BY id",
            member,
        )
        return [(row[0], row[1], row[2]) for row in rows]

    async def rows(self, sql: str, *params: object) -> list[Row]:
        """Return rows of the database."""
        async with self.database.reading() as tx:
            return await tx.rows(sql, params)

    async def well(self) -> bool:
        """Tell whether settlement's audit finds nothing."""
        async with self.database.reading() as tx:
            found = await findings(tx)
        wrong = [one.detail for one in found if not one.ok]
        assert not wrong, wrong
        return True

    def _home(self, seller: int) -> Home:
        home = self.producers[seller].home
        assert home is not None
        return home

    async def _post(self, entry: Transfer) -> None:
        async with self.database.transaction() as tx:
            (result,) = await ledger.post(tx, [entry], now=self.now)
        assert result.entered, result


async def a_world(
    database: Database,
    *,
    producers: int = 1,
    bare: int = 0,
    buyers: int = 2,
    rules: MarketRules = REAL,
    micro: int = 10_000_000,
) -> World:
    """Settle producers with meters, then bare ones, and buyers with money in."""
    world = World(database, [], [], rules)
    async with database.transaction() as tx:
        await declare_asset(tx, XTS, now=0)
        await set_parameter(tx, Name.FINALITY_DELAY_S, 0)
        for number in range(producers + bare):
            member = await identity.add_member(tx, f"producer {number}", now=BEGIN)
            point = await make_point(tx, member)
            home = None
            if number < producers:
                home = await make_home(tx, member, point)
                await certify(tx, point, 20_000)
            world.producers.append(Producer(member, point, home))
        for number in range(buyers):
            member = await identity.add_member(tx, f"buyer {number}", now=BEGIN)
            world.buyers.append(member)
            if micro:
                world.count += 1
                await pay_in(tx, user(member), micro, world.count)
    return world


async def pay_in(tx: Transaction, code: AccountCode, micro: int, number: int) -> None:
    """Bring money in from outside, under a number of its own."""
    entry = Transfer(
        id=transfer_id("test-money", number),
        amount=micro,
        debit=AccountCode("cash"),
        credit=code,
        purpose="deposit",
        asset=XTS,
        effective_at=0,
    )
    (result,) = await ledger.post(tx, [entry], now=PAST)
    assert result.entered, result
