"""The duty behind private bills: tell devices by what, ask them, bill what they opened.

    while await run_once(database, network, now): ...

| step | what | bound |
| --- | --- | --- |
| tell | a tariff's openings are published before it holds, so that devices may believe them | tariffs in use |
| ask | a period that is over is asked of its device | PAGE |
| ask again | what a device could not open yet is asked of it an hour later | PAGE |
| bill | a period that is opened becomes a statement, once what it nets is known | PAGE |
| fall back | one that nobody opened in time does, by what was opened before | PAGE |
| correct | and is corrected when it is opened after all | PAGE |

Each is a transaction of its own. This module must never ask for more than a tariff needs.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from meterseal_aggregator.billing.model import Cause, Refused
from meterseal_aggregator.billing.private import store
from meterseal_aggregator.billing.private.fallback import LOOKS_BACK, estimated
from meterseal_aggregator.billing.private.making import draft_period
from meterseal_aggregator.billing.private.model import (
    FALLBACK_AFTER_S,
    AskedPeriod,
    Home,
    Opened,
    PeriodState,
    PrivatePeriod,
)
from meterseal_aggregator.billing.private.netting import NOTHING, Netted, netted
from meterseal_aggregator.billing.statements import store as bills
from meterseal_aggregator.billing.statements.correct import Why, replace_all
from meterseal_aggregator.billing.statements.draft import Moment, local_of
from meterseal_aggregator.billing.statements.gather import Wait
from meterseal_aggregator.billing.statements.issue import issue, keep_waits
from meterseal_aggregator.billing.tariffs import store as tariffs
from meterseal_aggregator.billing.tariffs.model import NotPublished
from meterseal_aggregator.privacy import tariffs as openings
from meterseal_aggregator.privacy.errands.store import ask
from meterseal_aggregator.storage.database import Database, Transaction
from meterseal_proto.errand import BillAsked
from meterseal_proto.rating.calendar import cycle_of
from meterseal_proto.rating.hidden import plan_of
from meterseal_proto.rating.price import Unrateable
from meterseal_proto.rating.terms import due_at

PAGE: Final = 200
"""Periods a transaction: each is a draft of a millisecond."""
AGAIN_S: Final = 3_600
"""A day is accepted hours after its midnight: until then its device opens nothing."""
LATE_AGAIN_S: Final = 86_400
"""After the fallback's bill nobody waits for it."""
ACTOR: Final = "private-billing"
LATE: Final = "its device opened the period after all"
_IN_FORCE: Final = """
SELECT v.hash FROM full_tariffs v
WHERE v.valid_from = (SELECT max(l.valid_from) FROM full_tariffs l
  WHERE l.code = v.code AND l.valid_from <= ?)
"""


@dataclass(frozen=True, slots=True)
class _Made:
    """A period with what its bill is made of, and how it then stands."""

    period: PrivatePeriod
    opened: Opened
    state: PeriodState
    nets: Netted = NOTHING


_Step = Callable[[Transaction, Moment], Awaitable[int]]


async def run_once(database: Database, network: bytes, now: int) -> int:
    """Do what is due at Unix second `now`; returns how many periods and tariffs moved on."""
    moment = Moment(network, known_at=now, issued_at=now)
    done = 0
    for step in _STEPS:
        async with database.transaction() as tx:
            done += await step(tx, moment)
    return done


async def tell(tx: Transaction, moment: Moment) -> int:
    """Publish what devices are asked by for the tariffs of private homes; returns how many."""
    done = 0
    for digest in await store.in_use(tx, moment.issued_at):
        full = await tariffs.tariff_named(tx, digest)
        assert full is not None
        try:
            wanted = plan_of(full).tariffs
        except Unrateable:
            continue  # told when a period is billed, where somebody reads it
        for one in wanted:
            if await openings.tariff_named(tx, one.hash()) is None:
                await openings.publish(tx, one.document(), now=moment.issued_at)
                done += 1
    return done


async def ask_devices(tx: Transaction, moment: Moment) -> int:
    """Ask for periods that are over; returns how many homes were looked at."""
    now, codes = moment.issued_at, []
    for (digest,) in await tx.rows(_IN_FORCE, (now,)):
        full = await tariffs.tariff_named(tx, digest)
        assert full is not None
        codes.append((full.id, cycle_of(full, now, local_of(full.zone))[0]))
    homes = await store.due(tx, codes, now=now, limit=PAGE)
    waits = []
    for home in homes:
        refused = await _ask(tx, home, moment)
        if refused is not None:
            waits.append(Wait(home.supply, home.supply.billed_to, refused))
    await keep_waits(tx, waits, now=now)
    return len(homes)


async def _ask(tx: Transaction, home: Home, moment: Moment) -> Refused | None:
    """Ask a home's device for its next period; returns why it cannot be billed so."""
    supply, now = home.supply, moment.issued_at
    begin = supply.billed_to
    try:
        ((_, _, tariff),) = await tariffs.versions(
            tx, supply.terms.tariff_code, begin, begin + 1
        )
        end = cycle_of(tariff, begin, local_of(tariff.zone))[1]
        end = min(end, supply.to_at or end)
        # A private period is whole within one version: the next begins another bill.
        end = (await tariffs.versions(tx, tariff.id, begin, end))[0][1]
        plan = plan_of(tariff)
    except NotPublished as error:
        return Refused(Cause.NO_TARIFF, error.detail)
    except Unrateable as error:
        return Refused(Cause.UNRATEABLE, f"supply {supply.id}: {error}")
    if end > now:
        return Refused(Cause.NOT_DUE, f"the period of supply {supply.id} is not over")
    for one in plan.tariffs:
        await openings.publish(tx, one.document(), now=now)
        asked = BillAsked(home.meter, home.register, begin, end, one.hash())
        await ask(tx, home.row, asked, now)
    whole = AskedPeriod(
        begin,
        end,
        tariff.hash(),
        tuple(one.hash() for one in plan.tariffs),
        due_at(tariff.terms, end) + FALLBACK_AFTER_S,
    )
    await store.begin(tx, home, whole, now=now)
    return None


async def ask_again(tx: Transaction, moment: Moment) -> int:
    """Ask once more for what devices could not open yet; returns how much there was."""
    now = moment.issued_at
    found = await store.too_soon(tx, (now - AGAIN_S, now - LATE_AGAIN_S), PAGE)
    for row, asked in found:
        await ask(tx, row, asked, now)
    return len(found)


async def bill_opened(tx: Transaction, moment: Moment) -> int:
    """Issue the bills of periods that were opened; returns how many there were."""
    found = await store.opened_whole(
        tx, PeriodState.ASKED, now=moment.issued_at, limit=PAGE
    )
    done = 0
    for period in found:
        opened = await store.opened(tx, period)
        nets = await netted(tx, period, opened, moment)
        if isinstance(nets, Netted):
            whole = _Made(period, opened, PeriodState.OPENED, nets)
            done += await _issue(tx, whole, moment)
        else:
            done += await _wait(tx, period, nets, moment)
    return done


async def fall_back(tx: Transaction, moment: Moment) -> int:
    """Issue the bills of periods that nobody opened in time; returns how many there were."""
    found = await store.silent(tx, now=moment.issued_at, limit=PAGE)
    done = 0
    for period in found:
        past = await store.before(tx, period.home.supply.id, period.begin, LOOKS_BACK)
        before = [(one, await store.opened(tx, one)) for one in past]
        opened = estimated(period, len(period.openings), before)
        guess = _Made(period, opened, PeriodState.FALLBACK)
        done += await _issue(tx, guess, moment)
    return done


async def correct_opened(tx: Transaction, moment: Moment) -> int:
    """Correct fallbacks whose device opened them after all; returns how many there were."""
    found = await store.opened_whole(
        tx, PeriodState.FALLBACK, now=moment.issued_at, limit=PAGE
    )
    for period in found:
        try:
            await _correct(tx, period, moment)
        except Refused as refused:
            await _wait(tx, period, refused, moment)
    return len(found)


async def _correct(tx: Transaction, period: PrivatePeriod, moment: Moment) -> None:
    """Put a bill of what was opened in the place of the fallback's; raises Refused.

    Nothing yet while its device is asked what it nets.
    """
    assert period.bill is not None  # by the schema
    opened = await store.opened(tx, period)
    nets = await netted(tx, period, opened, moment)
    if nets is None:
        return
    if isinstance(nets, Refused):
        raise nets
    old = (await bills.bills_by_id(tx, [period.bill]))[period.bill]
    draft = await draft_period(
        tx, period, opened, moment, netted=nets, replaces=old.number
    )
    if isinstance(draft, Refused):
        raise draft
    (made,) = await replace_all(tx, [(old, draft)], moment, Why(ACTOR, LATE))
    await store.billed(tx, period.id, PeriodState.CORRECTED, made.bill.id)


async def _issue(tx: Transaction, made: _Made, moment: Moment) -> int:
    """Issue a period's bill, or write down why not; returns 0 where it was passed over."""
    period = made.period
    draft = await draft_period(tx, period, made.opened, moment, netted=made.nets)
    if isinstance(draft, Refused):
        return await _wait(tx, period, draft, moment)
    rows = await issue(tx, [draft], moment, actor=ACTOR)
    for row in rows:
        await store.billed(tx, period.id, made.state, row.id)
    return len(rows)


async def _wait(
    tx: Transaction, period: PrivatePeriod, why: Refused | None, moment: Moment
) -> int:
    """Write down why a period is not billed; None is for its device, which is asked."""
    if why is not None:
        wait = Wait(period.home.supply, period.begin, why)
        await keep_waits(tx, [wait], now=moment.issued_at)
    return 1


_STEPS: Final[tuple[_Step, ...]] = (
    tell, ask_devices, ask_again, bill_opened, fall_back, correct_opened,
)  # fmt: skip
