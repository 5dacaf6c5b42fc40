"""What happens on a trading day, by chance: wishes, meters, disputes, duties and time.

    await live(days)          # all of its mornings
    await end(days)           # then nothing waits any more
    await step(days)          # one of them, by chance

What must hold is held every few steps.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from meterseal_aggregator.billing.payments import Direction
from meterseal_aggregator.ledger import store as ledger
from meterseal_aggregator.ledger.accounts import stake
from meterseal_aggregator.ledger.freeze import freeze_account, freeze_hold, thaw
from meterseal_aggregator.ledger.model import Transfer, TransferId
from meterseal_aggregator.market.listings import deal
from meterseal_aggregator.market.listings.model import Kind
from meterseal_aggregator.market.listings.model import Wish as Listing
from meterseal_aggregator.market.model import transfer_id
from meterseal_aggregator.storage.database import Transaction
from tests.support import tradingpurses as purses
from tests.support import tradingwishes as wishes
from tests.support.history import Deed
from tests.support.marketplace import XTS
from tests.support.street import BEGIN, STEP
from tests.support.tradingdays import (
    ADA,
    BO,
    CHECK_EVERY,
    MEMBERS,
    MORNING_S,
    STEPS,
    Days,
    Point,
)
from tests.support.tradinglaws import check, check_end

Step = Callable[[Days], Awaitable[None]]
WAITS: Final = (60, 60, 301, 601, 900, 1_800, 5_400)
SUN: Final = (0, 0, 90, 200, 201, 450, 2_000)
"""Wh of a quarter of an hour."""
A_SEAL: Final = 96
"""Intervals of one seal."""


async def live(days: Days) -> None:
    """Live through all mornings, and hold what must hold every few steps."""
    for who in MEMBERS:
        micro = days.chance.choice((60_000, 400_000, 900_000, 900_000))
        await purses.pay_in_or_out(days, who, Direction.IN, micro)
    for day, count in zip(days.mornings(), STEPS, strict=True):
        days.today, days.now = day, max(days.now, day + MORNING_S)
        if days.chance.random() < 0.6:
            # A house in which nothing was down overnight.
            await days.all_duties()
        for number in range(count):
            await step(days)
            if number % CHECK_EVERY == CHECK_EVERY - 1:
                await check(days)
        await check(days)


async def end(days: Days) -> None:
    """Let every dispute end and every duty run: then nothing waits."""
    while days.frozen:
        await end_dispute(days)
    for point in days.points:
        if point.home:
            await catch_up(days, point)
    await days.all_duties()
    for who in (ADA, BO):
        await _take_back(days, who)
    await check_end(days)
    for kind, statement in _ENDS.items():
        for how, count in await days.rows(statement):
            days.met[kind, str(how)] += count or 0


_ENDS: Final = {
    "trade": """
SELECT CASE WHEN t.state <> 'settled' THEN t.state WHEN t.delivered_wh = t.wh THEN 'whole'
    WHEN t.delivered_wh > 0 THEN 'part' ELSE 'nothing' END
    || CASE WHEN t.order_id IS NULL THEN ' of an auction' ELSE '' END
    || CASE WHEN i.meter_id IS NULL THEN ' by the mock' ELSE '' END, count(*)
FROM trades t LEFT JOIN installations i ON i.meter_point_id = t.meter_point_id GROUP BY 1
""",
    "order": "SELECT state, count(*) FROM orders GROUP BY 1",
    "correction": """
SELECT CASE WHEN r.delivered_wh > b.delivered_wh THEN 'more' WHEN r.metered_wh < b.metered_wh
    THEN 'less, and nobody gives back' ELSE 'same' END || ' in run ' || r.run, count(*)
FROM trade_runs r JOIN trade_runs b ON b.trade_id = r.trade_id AND b.run = (
  SELECT max(run) FROM trade_runs WHERE trade_id = r.trade_id AND run < r.run)
GROUP BY 1
""",
    "paid": """
SELECT 'from stake', sum(from_stake > 0) FROM trade_runs
UNION ALL SELECT 'from fund', sum(from_fund > 0) FROM trade_runs
UNION ALL SELECT 'back to stake', sum(from_stake < 0) FROM trade_runs
UNION ALL SELECT 'back to fund', sum(from_fund < 0) FROM trade_runs
UNION ALL SELECT 'by nobody', sum(uncovered > 0) FROM trade_runs
UNION ALL SELECT 'as arrears', sum(arrears > 0) FROM trade_runs
""",
    "slot": """
SELECT 'fed in', sum(fed_in_wh > 0) FROM slot_runs
UNION ALL SELECT 'kept', sum(kept_wh > 0) FROM slot_runs
UNION ALL SELECT 'owed', sum(owed_wh > 0) FROM slot_runs
""",
    "clearing": "SELECT CASE WHEN price IS NULL THEN 'empty' ELSE 'price' END, count(*)"
    " FROM clearings GROUP BY 1",
    "trust": "SELECT CASE WHEN event LIKE 'corrected%' THEN 'corrected'"
    " WHEN event LIKE 'buyer%' THEN 'buyer-cancel' ELSE event END"
    " || CASE WHEN change > 0 THEN ' up' ELSE ' down' END, count(*)"
    " FROM trust_events GROUP BY 1",
}
"""What became of things, counted."""


async def _take_back(days: Days, who: int) -> None:
    found = await days.some("SELECT wh FROM listings WHERE seller = ? AND wh > 0", who)
    if found:
        now, wish = days.now, Listing(Kind.REMOVE, who, who, found[0], 0, days.key())
        await days.wish("list-remove", lambda tx: deal.do(tx, wish, now=now))


async def step(days: Days) -> None:
    """Do one thing."""
    kinds = TRADING if days.trading else LATER
    (kind,) = days.chance.choices(list(kinds), [weight for weight, _ in kinds.values()])
    await kinds[kind][1](days)


async def wait(days: Days) -> None:
    """Let time pass."""
    days.now += days.chance.choice(WAITS)
    days.met["wait", "done"] += 1


async def tell(days: Days) -> None:
    """A meter tells what it has not told yet, or only the older part of it."""
    point = days.chance.choice([one for one in days.points if one.home])
    await catch_up(days, point, days.chance.choice((0, 0, 3, 20)))


async def catch_up(days: Days, point: Point, behind: int = 0) -> None:
    """Let a meter tell all but so many intervals."""
    home = point.home
    assert home is not None
    count = (days.told_to(point) - home.end) // STEP - behind
    if count <= 0:
        return
    first, last = 9 * 3_600, 9 * 3_600 + 5 * days.slot_s
    deltas = []
    for number in range(count):
        of_day = (home.end + number * STEP - BEGIN) % 86_400
        deltas.append(days.chance.choice(SUN) if first <= of_day < last else 0)
    async with days.database.transaction() as tx:
        for at in range(0, count, A_SEAL):
            await home.tell(tx, *deltas[at : at + A_SEAL])
    days.met["tell", "done"] += 1


async def revise(days: Days) -> None:
    """A meter corrects what it told of an interval, up or down."""
    homes = {one.number: one for one in days.points if one.home}
    point = days.chance.choice(list(homes.values()))
    wanted = range(BEGIN, days.over)
    # Mostly one of which something was sold and delivered.
    found = await days.some(
        "SELECT meter_point_id, start FROM trades WHERE state = 'settled'"
    )
    if found and found[0] in homes and days.chance.random() < 0.8:
        point = homes[found[0]]
        wanted = range(found[1], found[1] + days.slot_s)
    assert point.home is not None
    told = [start for start, wh in point.home.told if start in wanted]
    if not told:
        return
    start = days.chance.choice(told)
    point.revisions[start] += 1
    wh = days.chance.choice(SUN)
    async with days.database.transaction() as tx:
        await point.home.revise(tx, start, wh, point.revisions[start])
    days.met["revise", "done"] += 1


async def speak(days: Days) -> None:
    """A meter that was silent is heard again."""
    for point in days.points:
        if point.silent_from is not None and days.chance.random() < 0.5:
            point.silent_from = None
            days.met["speak", "done"] += 1


async def freeze(days: Days) -> None:
    """A dispute is opened about a trade, a bid or a stake."""
    chance = days.chance
    name = transfer_id("test-freeze", days.key())
    what = chance.choice(("trade", "trade", "trade", "bid", "stake"))
    if what == "stake":
        code = stake(chance.choice((ADA, BO)))
        entry = freeze_account(name, XTS, code, why="dispute", reference=b"1")
    else:
        found = await days.some(_HELD[what])
        if not found:
            return
        hold = transfer_id(what, found[0], "hold")
        entry = freeze_hold(name, hold, why="dispute", reference=b"1")
    await days.wish("freeze", _posting(days, entry))
    days.frozen.append(name)
    days.met["freeze", what] += 1


_HELD: Final = {
    "trade": "SELECT id FROM trades WHERE state = 'held'",
    "bid": "SELECT id FROM auction_orders WHERE state = 'sealed' AND side = 'bid'",
}


async def end_dispute(days: Days) -> None:
    """A dispute ends."""
    if days.frozen:
        name = days.frozen.pop(days.chance.randrange(len(days.frozen)))
        entry = thaw(TransferId(transfer_id("test-thaw", name.hex())), name)
        await days.wish("thaw", _posting(days, entry))


def _posting(days: Days, entry: Transfer) -> Deed[None]:
    now = days.now

    async def deed(tx: Transaction) -> None:
        (result,) = await ledger.post(tx, [entry], now=now)
        assert result.entered, result

    return deed


def _duty(*kinds: str) -> Step:
    async def run(days: Days) -> None:
        for kind in kinds:
            await days.duty(kind)

    return run


ALWAYS: Final[Mapping[str, tuple[int, Step]]] = {
    "wait": (8, wait), "pay": (2, purses.pay), "stake": (2, purses.put_up_stake), "tell": (4, tell),
    "revise": (3, revise), "mint": (3, _duty("validate", "mint")),
    "settle": (3, _duty("settle")), "list": (5, purses.lane_c), "leave": (2, purses.leave),
    "thaw": (1, end_dispute), "choose": (1, purses.choose), "freeze": (2, freeze),
    "auction": (3, _duty("auction")), "expire": (3, _duty("expire")),
}  # fmt: skip
LATER: Final = {
    **ALWAYS, "revise": (14, revise), "speak": (2, speak), "tell": (8, tell),
    "mint": (8, _duty("validate", "mint")), "settle": (8, _duty("settle")),
}  # fmt: skip
TRADING: Final = {
    **ALWAYS, "declare": (1, purses.declare), "agree": (1, purses.agree), "offer": (8, wishes.offer),
    "withdraw": (1, wishes.withdraw_offer), "reserve": (12, wishes.reserve), "confirm": (12, wishes.confirm),
    "release": (1, wishes.release), "cancel": (4, wishes.cancel_order), "ask": (6, wishes.ask),
    "bid": (7, wishes.bid), "unseal": (1, wishes.unseal), "reuse": (1, wishes.reuse),
}  # fmt: skip
