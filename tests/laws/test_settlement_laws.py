"""Laws of settlement: whatever meters tell, correct and leave out, whoever disputes or has
no money, and however often the duty runs, each Wh is used once, each micro-unit is where
the terms say, and nobody who bought gives anything back.

Seen to fail: with a share that forgets who was settled before, a delivery beyond what the
producer holds, a later run that charges the whole, compensation that is not taken back,
promises that grow with a correction, Wh delivered again after a correction there and back,
trust moved for what nobody metered, a correction that moves it by the whole.
"""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meterseal_aggregator.credits import audit as credits_audit
from meterseal_aggregator.ledger import check
from meterseal_aggregator.ledger import store as ledger
from meterseal_aggregator.ledger.accounts import MUTUAL_FUND, buyer, stake, user
from meterseal_aggregator.ledger.model import AccountCode, TransferId
from meterseal_aggregator.market import trades as trade_rows
from meterseal_aggregator.market.delivery import Lane, Terms
from meterseal_aggregator.market.model import Trade, TradeState
from meterseal_aggregator.market.settlement.runs import Run, due_at
from meterseal_aggregator.market.surplus import Choice, choose
from meterseal_aggregator.market.trust import TrustRules, delivery_change
from meterseal_aggregator.storage.database import Row, Transaction
from meterseal_aggregator.storage.migrate import migrate
from tests.support.edits import edit_span
from tests.support.mortal import Fuse
from tests.support.quickdatabase import QuickDatabase
from tests.support.seed import WHOLE
from tests.support.settling import MINTED, World, a_world, slot
from tests.support.street import BEGIN

SLOTS, SELLERS, BUYERS = 2, 2, 2
DUE = [due_at(run, slot(0), "UTC") for run in (Run.MONTH, Run.LAST)]
TIMES = [BEGIN + MINTED, BEGIN + MINTED + 60, *DUE]
EXAMPLES = 2_000 if WHOLE else 60


@dataclass(frozen=True)
class Sale:
    """A trade made before anything is metered."""

    seller: int
    buyer: int
    slot: int
    wh: int
    lane: Lane
    price: int
    losses_bp: int


@dataclass(frozen=True)
class Deed:
    """Something that happens; what the numbers mean is the kind's."""

    kind: str
    who: int
    number: int
    wh: int


RUN, THAW = Deed("run", 0, 0, 0), Deed("thaw", 0, 0, 0)
SALES = st.lists(
    st.builds(
        Sale, st.integers(0, SELLERS - 1), st.integers(0, BUYERS - 1),
        st.integers(0, SLOTS - 1), st.integers(1, 60), st.sampled_from(Lane),
        st.sampled_from([0, 90_000, 150_000, 260_000]), st.sampled_from([0, 333]),
    ),
    min_size=2, max_size=8,
)  # fmt: skip
WH = st.sampled_from([0, 20, 50, 120]) | st.integers(0, 120)
KINDS = (
    ("revise", "tell", "freeze", "freeze", "fund", "fund", "choose", "run"),
    ("revise", "revise", "edit", "edit", "tell", "freeze", "thaw", "spend", "fund"),
)
EARLY, LATE = (
    st.lists(
        st.builds(
            Deed, st.sampled_from(kinds), st.integers(0, SELLERS - 1),
            st.integers(0, SLOTS - 1), WH,
        ),
        min_size=1, max_size=5,
    )
    for kinds in KINDS
)  # fmt: skip
TOLD = st.tuples(*[st.lists(WH, max_size=SLOTS)] * SELLERS)
"""What meters tell of before anything else happens; a short one is silent for a while."""
ACTS = st.tuples(EARLY, LATE, LATE, LATE)
"""Before the slots are final, after their first run, after a month, after three."""


@dataclass
class Story:
    """The street and beside it what the laws compare it with."""

    world: World
    made: list[Trade]
    told: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    revisions: dict[tuple[int, int], int] = field(
        default_factory=lambda: defaultdict(int)
    )
    disputes: list[tuple[int, TransferId]] = field(default_factory=list)
    disputed: set[int] = field(default_factory=set)
    paid_in: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    bought: dict[int, int] = field(default_factory=lambda: defaultdict(int))

    async def do(self, deed: Deed) -> None:
        await getattr(self, f"_{deed.kind}")(deed)

    async def _tell(self, deed: Deed) -> None:
        if self.told[deed.who] < SLOTS:
            self.told[deed.who] += 1
            await self.world.tell(deed.wh, seller=deed.who)

    async def _revise(self, deed: Deed) -> None:
        if deed.number < self.told[deed.who]:
            self.revisions[deed.who, deed.number] += 1
            revision = self.revisions[deed.who, deed.number]
            await self.world.revise(deed.number, deed.wh, revision, seller=deed.who)
            await self.world.mint()

    async def _edit(self, deed: Deed) -> None:
        home = self.world.producers[deed.who].home
        assert home is not None
        span = slot(deed.number), slot(deed.number + 1)
        database, now = self.world.database, self.world.now
        await edit_span(database, home.meter, span, deed.wh, now=now)
        await self.world.mint()

    async def _run(self, deed: Deed) -> None:
        await self.world.run()
        async with self.world.database.reading() as tx:
            before = await ledger.head(tx)
        assert await self.world.settle() == 0
        async with self.world.database.reading() as tx:
            assert await ledger.head(tx) == before

    async def _freeze(self, deed: Deed) -> None:
        trade = await self.world.trade(self.made[deed.wh % len(self.made)])
        if trade.state is TradeState.HELD:
            self.disputed.add(trade.id)
            self.disputes.append((trade.id, await self.world.freeze(trade)))

    async def _thaw(self, deed: Deed) -> None:
        if self.disputes:
            await self.world.thaw(self.disputes.pop(0)[1])

    async def _spend(self, deed: Deed) -> None:
        who = self.world.buyers[deed.number % BUYERS]
        have = await self.world.held(user(who))
        if have:
            await self.world.pay_out(user(who), have)
            self.paid_in[who] -= have

    async def _fund(self, deed: Deed) -> None:
        staked = stake(self.world.producers[deed.who].member)
        code = MUTUAL_FUND if deed.number else staked
        await self.world.pay_in(code, deed.wh * 50 + 1)

    async def _choose(self, deed: Deed) -> None:
        choice = Choice.FEED_IN if deed.number else Choice.KEEP
        async with self.world.database.transaction() as tx:
            member = self.world.producers[deed.who].member
            await choose(tx, member, choice, slot(deed.number))


@pytest.mark.deep
@settings(max_examples=EXAMPLES)
@given(sales=SALES, told=TOLD, acts=ACTS)
def test_each_wh_is_used_once_and_each_micro_unit_is_where_the_terms_say(
    sales: list[Sale], told: tuple[list[int], ...], acts: tuple[list[Deed], ...]
) -> None:
    first = [Deed("tell", who, 0, wh) for who, some in enumerate(told) for wh in some]
    asyncio.run(_tell_the_story(sales, [first + acts[0], *acts[1:]]))


async def _tell_the_story(
    sales: Sequence[Sale], acts: Sequence[Sequence[Deed]]
) -> None:
    database = await QuickDatabase.in_memory()
    await _migrated(database)
    try:
        world = await a_world(
            database, producers=SELLERS, buyers=BUYERS, micro=1_000_000
        )
        made = [await _sold(world, sale) for sale in sales]
        story = Story(world, made)
        for who in world.buyers:
            story.paid_in[who] = 1_000_000
        for time, act in zip(TIMES, acts, strict=True):
            world.now = time
            for deed in act:
                await story.do(deed)
                await _hold(story)
            await story.do(RUN)
            await _hold(story)
        await _end(story)
    finally:
        await database.close()


async def _migrated(database: QuickDatabase) -> None:
    database.fuse = Fuse()
    await migrate(database)


async def _sold(world: World, sale: Sale) -> Trade:
    price = sale.price
    terms = Terms(price, min(price, 7_000), sale.losses_bp, 250_000)
    return await world.sell(
        world.buyers[sale.buyer], sale.slot, sale.wh, seller=sale.seller,
        lane=sale.lane, terms=terms,
    )  # fmt: skip


async def _end(story: Story) -> None:
    """Let every dispute end and the last run look: then every trade has ended."""
    while story.disputes:
        await story.do(THAW)
    await story.do(RUN)
    await _hold(story)
    async with story.world.database.reading() as tx:
        assert await trade_rows.where(tx, "state = 'held'", ()) == []
        promised = await tx.rows(
            "SELECT s.promised_wh, (SELECT coalesce(sum(delivered_wh), 0) FROM trades t"
            " WHERE t.meter_point_id = s.meter_point_id AND t.start = s.start),"
            " s.settled_at IS NULL FROM slot_sales s"
        )
        assert all(wh == came and not open_ for wh, came, open_ in promised)
        await _check_trust(tx)
        for room in (check, credits_audit):
            wrong = [one.detail for one in await room.findings(tx) if not one.ok]
            assert not wrong, wrong


async def _check_trust(tx: Transaction) -> None:
    """What moved a seller's trust for a sale is what its last metering is worth."""
    sums: dict[str, int] = dict(
        await tx.rows("SELECT subject, sum(change) FROM trust_events GROUP BY subject")
    )
    states: dict[int, str] = dict(await tx.rows("SELECT id, state FROM orders"))
    sold: dict[str, list[Trade]] = defaultdict(list)
    for one in await trade_rows.where(tx, "1 = 1", ()):
        sold[f"ask {one.ask}" if one.order is None else f"order {one.order}"].append(
            one
        )
        if one.order is not None:
            assert states[one.order] == _state(one)
    for subject, trades in sold.items():
        came = [one for one in trades if one.state is TradeState.SETTLED]
        if not came:
            assert subject not in sums
            continue
        wh, metered = sum(t.wh for t in came), sum(t.metered_wh or 0 for t in came)
        assert sums[subject] == delivery_change(TrustRules(), wh, metered)


def _state(one: Trade) -> str:
    if one.state is TradeState.VOIDED:
        return "voided"
    if one.metered_wh == one.wh:
        return "delivered"
    return "partial" if one.metered_wh else "failed"


async def _hold(story: Story) -> None:
    """Check what must hold after every step."""
    world = story.world
    await world.well()
    async with world.database.reading() as tx:
        trades = await trade_rows.where(tx, "1 = 1", ())
        sums = await tx.rows(
            "SELECT asset, sum(debits_posted) - sum(credits_posted),"
            " sum(debits_pending) - sum(credits_pending) FROM ledger_accounts"
            " GROUP BY asset"
        )
        last = await tx.rows(_LAST)
        runs = await tx.rows("SELECT trade_id, from_stake + from_fund FROM trade_runs")
    assert all(row[1:] == (0, 0) for row in sums), sums
    _check_trades(trades)
    await _check_buyers(story, trades, runs)
    _check_order(story, trades, last)


_LAST = (
    "SELECT r.meter_point_id, r.start, r.export_wh, r.traded_wh, r.fed_in_wh, r.kept_wh,"
    " r.owed_wh FROM slot_runs r WHERE NOT EXISTS (SELECT 1 FROM slot_runs l"
    " WHERE l.meter_point_id = r.meter_point_id AND l.start = r.start AND l.run > r.run)"
)


def _check_trades(trades: Sequence[Trade]) -> None:
    for one in trades:
        if one.state is TradeState.SETTLED:
            assert one.metered_wh is not None
            assert 0 <= one.metered_wh <= one.wh
            assert 0 <= one.delivered_wh <= one.wh
        else:
            assert (one.metered_wh, one.delivered_wh) == (None, 0)


async def _check_buyers(
    story: Story, trades: Sequence[Trade], runs: Sequence[Row]
) -> None:
    """A buyer has the Wh he was delivered and pays their price, if only as arrears."""
    given: dict[int, int] = defaultdict(int)
    for trade, compensation in runs:
        given[trade] += compensation
    for who in story.world.buyers:
        mine = [one for one in trades if one.buyer == who]
        wh = sum(one.delivered_wh for one in mine)
        assert wh >= story.bought[who]
        story.bought[who] = wh
        assert await story.world.energy(buyer(who)) == wh
        price = sum(one.delivered_wh * one.terms.price // 1_000 for one in mine)
        waiting = sum(
            one.wh * one.terms.price // 1_000
            for one in mine
            if one.state is TradeState.HELD
        )
        owed = await story.world.owed(AccountCode(f"arrears:{who}"))
        compensated = sum(given[one.id] for one in mine)
        # Compensation never exceeds what the missing Wh cost more elsewhere.
        assert 0 <= compensated <= sum(_shortfall(one) for one in mine)
        left = story.paid_in[who] - price - waiting + compensated + owed
        assert await story.world.held(user(who)) == left


def _shortfall(one: Trade) -> int:
    more = max(0, one.terms.retail - one.terms.price) // 1_000
    missing = one.wh - one.delivered_wh
    return missing * more if one.state is TradeState.SETTLED else 0


def _check_order(story: Story, trades: Sequence[Trade], last: Sequence[Row]) -> None:
    """Offers are served as they were confirmed, and only then the auction."""
    for point, start, export, traded, fed, kept, owed in last:
        mine = [one for one in trades if (one.meter_point, one.start) == (point, start)]
        assert export + owed == traded + fed + kept
        assert not (owed and kept)
        assert traded == sum(one.delivered_wh for one in mine)
        if story.disputed & {one.id for one in mine}:
            continue
        settled = [one for one in mine if one.state is TradeState.SETTLED]
        left = export
        for one in settled:
            if one.lane is Lane.OFFER:
                assert one.metered_wh == min(one.wh, left)
                left -= one.metered_wh
        auction = [one for one in settled if one.lane is Lane.AUCTION]
        whole = sum(one.wh for one in auction)
        assert sum(one.metered_wh or 0 for one in auction) == min(left, whole)
        for one in auction:
            exact = min(left, whole) * one.wh
            assert abs((one.metered_wh or 0) * whole - exact) < whole
