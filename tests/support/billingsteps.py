"""What happens in a billing history but for money: people, tariffs, meters, values, trades.

await live(years)         # all of its months
await end(years)          # then nothing waits any more
"""

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Final

from meterseal_aggregator.billing.supplies import moves
from meterseal_aggregator.billing.supplies import store as supplies
from meterseal_aggregator.billing.supplies.model import Terms
from meterseal_aggregator.billing.tariffs.store import publish
from meterseal_aggregator.identity.model import MemberId
from meterseal_aggregator.market import trades
from meterseal_aggregator.market.delivery import Lane
from meterseal_aggregator.market.delivery import Terms as Price
from meterseal_aggregator.storage.database import Transaction
from meterseal_aggregator.vee import importing
from meterseal_aggregator.vee.edit import EditWish, edit
from meterseal_aggregator.vee.filling import Gap, estimate_gap
from meterseal_aggregator.vee.values import NotValued, place_of
from meterseal_proto.units import EXPORT
from tests.support import billingmoney as money
from tests.support import lanes
from tests.support.billingerasure import forget, know_otherwise
from tests.support.billinglaws import check, check_end
from tests.support.billingmeters import HOUR, Meter
from tests.support.billingtariffs import CODES, ZONES, a_tariff
from tests.support.billingyears import DAY, NETWORK, Years
from tests.support.lanes import Producer
from tests.support.marketplace import XTS

Step = Callable[[Years], Awaitable[None]]
WAITS: Final = (600, HOUR, 5 * HOUR, DAY, DAY, 2 * DAY, 4 * DAY)
CHECK_EVERY: Final = 40
WH: Final = (0, 0, 90, 200, 450, 2_000)
DAYS_AT_THE_END: Final = 3
"""Mornings after the last step, on which what was late becomes final."""


async def live(years: Years) -> None:
    """Live through all months, and hold what must hold every few steps."""
    await money.save(years)
    for code in CODES:
        await _publish(years, code, years.now)
    for _ in years.points:
        await move_in(years)
    number = 0
    while not years.over:
        await step(years)
        number += 1
        if number % CHECK_EVERY == 0:
            await check(years)


async def end(years: Years) -> None:
    """Fill every gap, end every dispute and let every duty run: then nothing waits."""
    await money.end_disputes(years)
    for _ in range(DAYS_AT_THE_END):
        years.now += DAY - years.now % DAY + 8 * HOUR
        await catch_up(years)
        await years.all_duties()
        await _fill(years)
        await years.all_duties()
        # Whoever could not be billed is looked at again an hour later.
        years.now += 2 * HOUR
        await years.all_duties()
        years.now += 2 * HOUR
        await years.all_duties()
    await check_end(years)


async def step(years: Years) -> None:
    """Do one thing."""
    (kind,) = years.chance.choices(list(STEPS), [one for one, _ in STEPS.values()])
    await STEPS[kind][1](years)


async def wait(years: Years) -> None:
    """Let time pass."""
    years.now += years.chance.choice(WAITS)
    years.met["wait", "done"] += 1


async def _publish(years: Years, code: str, valid_from: int) -> None:
    chance = years.chance
    zone = chance.choice(ZONES) if chance.random() < 0.02 else years.zones[code]
    cycle = chance.choice(years.cycles[code])
    version = a_tariff(chance, code, zone, valid_from, cycle)
    document = version.document()
    now = years.now
    await years.wish("publish", lambda tx: publish(tx, document, now=now), again=True)


async def tariff(years: Years) -> None:
    """A tariff's next version is published, some time ahead."""
    chance = years.chance
    at = years.now + chance.choice((-DAY, 1, 2 * HOUR, 3 * DAY, 9 * DAY))
    at -= at % chance.choice((1, HOUR, DAY))
    await _publish(years, chance.choice(CODES), at)


def _moment(years: Years) -> int:
    """A second now or soon, or a little while ago; mostly a whole hour."""
    chance = years.chance
    at = years.now + chance.choice((-3 * DAY, -HOUR, 0, 1, DAY, 5 * DAY))
    return max(years.begin_at, at - at % chance.choice((1, HOUR, HOUR, DAY)))


async def move_in(years: Years) -> None:
    """Somebody moves in where nobody lives."""
    chance = years.chance
    found = await years.some(
        "SELECT p.id, coalesce(max(t.to_at), 0) FROM meter_points p LEFT JOIN tenancies t"
        " ON t.meter_point_id = p.id GROUP BY p.id"
        " HAVING sum(t.id IS NOT NULL AND t.to_at IS NULL) = 0"
    )
    if found is None:
        return
    point, free = found
    at = max(free, years.now if years.now == years.begin_at else _moment(years))
    member = MemberId(chance.choice(years.members))
    terms = Terms(chance.choice(CODES), prepaid=chance.random() < 0.3)
    arrival = moves.Arrival(member, point, at, {point: terms})
    made = await years.wish("move-in", lambda tx: moves.move_in(tx, arrival))
    if made and chance.random() < 0.5 and any(
        one.point == point and one.register == EXPORT for one in years.meters
    ):  # fmt: skip
        await years.wish("certify", lambda tx: years.certify(tx, point))


async def move_out(years: Years) -> None:
    """Somebody moves out, now, before or soon."""
    found = await years.some("SELECT meter_point_id FROM tenancies WHERE to_at IS NULL")
    if found is not None:
        at = _moment(years)
        await years.wish("move-out", lambda tx: moves.move_out(tx, found[0], at=at))


async def change_supply(years: Years) -> None:
    """A member takes another tariff."""
    found = await years.some("SELECT id FROM supplies WHERE to_at IS NULL")
    if found is not None:
        at, chance = _moment(years), years.chance
        terms = Terms(chance.choice(CODES), prepaid=chance.random() < 0.3)
        await years.wish(
            "change", lambda tx: supplies.change(tx, found[0], terms, at=at)
        )


async def tell(years: Years) -> None:
    """A meter tells what it has not told yet, or only the older part of it."""
    meter = years.chance.choice(years.meters)
    if years.slow and meter.register == EXPORT and years.chance.random() < 0.95:
        return
    await tell_to(years, meter, years.chance.choice((0, 0, 0, 3, 30)))


async def tell_to(years: Years, meter: Meter, behind: int = 0) -> None:
    """Let a meter tell all but so many hours, a day a seal; some of it at once, or not."""
    chance = years.chance
    count = (years.now - meter.end) // HOUR - behind
    async with years.database.transaction() as tx:
        while count > 0:
            some, how = min(count, 24), chance.random()
            if how < 0.02:
                some = min(some, chance.randrange(1, 9))
                await meter.pause(tx, some, chance.choice((0, 700)))
            elif how < 0.05:
                some = min(some, 5)
                await meter.tell(tx, chance.choice(WH), hours=some)
            else:
                await meter.tell(tx, *chance.choices(WH, k=some))
            count -= some
    years.met["tell", "done"] += 1


async def catch_up(years: Years) -> None:
    """Let every meter tell all there is."""
    for meter in years.meters:
        await tell_to(years, meter)


def _hour(years: Years, meter: Meter) -> int | None:
    """An hour that a meter told or missed, mostly a late one."""
    hours = (meter.end - meter.began) // HOUR
    if hours <= 0:
        return None
    back = years.chance.choice((10, 100, 2_000))
    return meter.end - HOUR * years.chance.randrange(1, min(hours, back) + 1)


async def revise(years: Years) -> None:
    """A meter corrects what it told of an hour."""
    meter = years.chance.choice(years.meters)
    at = _hour(years, meter)
    rows = await years.rows(
        "SELECT 1 FROM readings WHERE register_id = ? AND start = ? AND length = ?",
        meter.register_id, at, HOUR,
    )  # fmt: skip
    if at is not None and rows:
        wh = years.chance.choice(WH)
        async with years.database.transaction() as tx:
            await meter.revise(tx, at, wh)
        years.met["revise", "done"] += 1


async def correct_value(years: Years) -> None:
    """An operator says what a register moved over some hours."""
    chance = years.chance
    meter = chance.choice(years.meters)
    at = _hour(years, meter)
    if at is None:
        return
    end_at = at + HOUR * chance.choice((1, 1, 3, 24))
    wh, key, now = chance.choice((0, 100, 5_000, 99_999)), years.key(), years.now

    async def deed(tx: Transaction) -> tuple[int, int]:
        place = await place_of(tx, meter.meter, meter.register)
        wish = EditWish(place, at, end_at, wh, "photo", "test", key)
        made, _ = await edit(tx, NETWORK, wish, now)
        return made.id, made.delta

    await years.wish("edit", deed, again=True)


async def estimate(years: Years) -> None:
    """An operator has the gaps of some hours estimated."""
    meter = years.chance.choice(years.meters)
    if meter.breaks and years.chance.random() < 0.8:
        at, until, delta = years.chance.choice(meter.breaks)
        await years.wish("estimate", _estimating(years, meter, (at, until), delta))
        return
    at_hour = _hour(years, meter)
    if at_hour is not None:
        span = (at_hour, at_hour + 24 * HOUR)
        await years.wish("estimate", _estimating(years, meter, span, None))


def _estimating(
    years: Years, meter: Meter, span: tuple[int, int], difference: int | None
) -> Callable[[Transaction], Awaitable[int]]:
    now = years.now

    async def deed(tx: Transaction) -> int:
        place = await place_of(tx, meter.meter, meter.register)
        gap = Gap(place, *span, "agent stolen", "test", difference)
        return len(await estimate_gap(tx, gap, now))

    return deed


async def load_file(years: Years) -> None:
    """A file of a day or two comes in, as another utility wrote it down."""
    chance, now = years.chance, years.now
    meter = chance.choice(years.meters)
    at = _hour(years, meter)
    if at is None:
        return
    first = at - at % DAY
    data = _nem12(years, meter, first, chance.choice((1, 2)))
    upload = importing.Upload(importing.read(data), "test", 0)

    async def deed(tx: Transaction) -> int:
        places = await importing.places_of(tx, upload.file)
        claims = importing.prepare(upload, places, now)
        done = await importing.keep(tx, upload, claims, now)
        return done.days

    await years.wish("import", deed, again=True)


def _nem12(years: Years, meter: Meter, first: int, days: int) -> bytes:
    channel = "B1" if meter.register == EXPORT else "E1"
    told = datetime.fromtimestamp(first, UTC)
    lines = [
        f"100,NEM12,{told:%Y%m%d}0000,MDP1,Retailer1",
        f"200,NEM1201000,{channel},{channel},{channel},,{meter.serial},kWh,30,",
    ]
    for day in range(days):
        date = datetime.fromtimestamp(first + day * DAY, UTC)
        values = ",".join(f"0.{years.chance.randrange(1_000):03}" for _ in range(48))
        lines.append(f"300,{date:%Y%m%d},{values},A,,,{date:%Y%m%d}120000,")
    lines.append("900")
    return "\r\n".join(lines).encode() + b"\r\n"


async def trade(years: Years) -> None:
    """The roof's owner has sold an hour to come to another member."""
    chance = years.chance
    roof = next(one for one in years.meters if one.register == EXPORT)
    start = years.now + HOUR * chance.randrange(1, 40)
    start -= start % HOUR
    rows = await years.rows(
        "SELECT member_id FROM tenancies WHERE meter_point_id = ? AND from_at <= ?"
        " AND coalesce(to_at, ?) > ?", roof.point, start, start + 1, start,
    )  # fmt: skip
    if not rows or await years.rows("SELECT 1 FROM slot_sales WHERE start = ?", start):
        return
    seller = rows[0][0]
    buyers = [one for one in years.members if one != seller]
    buyer, wh = chance.choice(buyers), chance.choice((100, 400, 1_500))
    who, now = Producer(seller, roof.point, None), years.now
    price = Price(price=150_000, fee=10_000, losses_bp=300, retail=250_000)

    async def deed(tx: Transaction) -> int:
        await lanes.promise(tx, who, start, wh)
        order = await lanes.order(tx, who, buyer, start, wh)
        wish = trades.NewTrade(
            Lane.OFFER, roof.point, start, HOUR, seller, buyer, wh, price, XTS,
            order=order,
        )  # fmt: skip
        (made,) = await trades.make(tx, [wish], now=now)
        return made.id

    await years.wish("trade", deed)


async def _fill(years: Years) -> None:
    """Estimate everything that nobody knows, with a difference where it takes one."""
    for meter in years.meters:
        for at, until, delta in meter.breaks:
            if await _filled(years, meter, (at, until)):
                continue
            made = await years.wish(
                "estimate", _estimating(years, meter, (at, until), delta)
            )
            # Where an edit lies amidst a meter's first hours, each hole has its own.
            for hour in range(at, until, HOUR) if made is None else ():
                if not await _filled(years, meter, (hour, hour + HOUR)):
                    one = _estimating(years, meter, (hour, hour + HOUR), 100)
                    await years.wish("estimate", one)


async def _filled(years: Years, meter: Meter, span: tuple[int, int]) -> bool:
    """Estimate what nobody knows of a span; False where that takes a difference."""
    try:
        async with years.database.transaction() as tx:
            await _estimating(years, meter, span, None)(tx)
    except NotValued:
        return False
    return True


async def _duties(years: Years) -> None:
    await years.any_duty()


async def _night(years: Years) -> None:
    await years.all_duties()


STEPS: Final[Mapping[str, tuple[int, Step]]] = {
    "wait": (22, wait), "tell": (16, tell), "tariff": (4, tariff),
    "move-in": (3, move_in), "move-out": (2, move_out), "change": (1, change_supply),
    "revise": (3, revise), "edit": (3, correct_value), "estimate": (2, estimate),
    "import": (1, load_file), "trade": (4, trade), "duties": (10, _duties),
    "night": (3, _night), "forget": (2, forget), "know-otherwise": (2, know_otherwise), **money.STEPS,
}  # fmt: skip
