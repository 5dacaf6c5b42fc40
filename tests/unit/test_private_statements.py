"""Private bills as statements: asked, opened, billed once, guarded, and by the fallback if need be."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Protocol, cast

import pytest

from meterseal_aggregator.billing.model import Cause, Refused
from meterseal_aggregator.billing.private import store
from meterseal_aggregator.billing.private.check import findings
from meterseal_aggregator.billing.private.draft import Basis, check, drafted
from meterseal_aggregator.billing.private.fallback import estimated
from meterseal_aggregator.billing.private.model import (
    FALLBACK_AFTER_S,
    Home,
    Opened,
    PeriodState,
    PrivatePeriod,
)
from meterseal_aggregator.billing.statements.draft import Moment
from meterseal_aggregator.ledger import check as ledger_check
from meterseal_proto.rating.components import (
    PeriodPrice,
    Price,
)
from meterseal_proto.rating.hidden import plan_of
from meterseal_proto.rating.line import NOTHING_CARRIED, LineKind
from meterseal_proto.rating.load import Period
from meterseal_proto.rating.opened import OpenedPeriod
from meterseal_proto.rating.statement_json import read_statement
from meterseal_proto.rating.tariff import (
    FullTariff,
)
from tests.support.committed import bill_over
from tests.support.devices import BEGAN_AT, GENESIS
from tests.support.privatebills import BLOCKS, PrivateHome, a_home
from tests.support.privateperiods import (
    DAY_S,
    FUND,
    PIECES,
    STANDING,
    TOU,
    VAT,
    answer,
    daily,
    issued,
    work,
)


class Opener(Protocol):
    """Opens a home with a tariff."""

    async def __call__(self, tariff: FullTariff, days: int = 1) -> PrivateHome: ...


@pytest.fixture
async def opening(tmp_path: Path) -> AsyncIterator[Opener]:
    """Give what opens a home with a tariff."""
    made = []

    async def open_(tariff: FullTariff, days: int = 1) -> PrivateHome:
        context = a_home(tmp_path, days * PIECES, tariff)
        made.append(context)
        home = await context.__aenter__()
        async with home.desk.database.transaction() as tx:
            await tx.rows("DROP TRIGGER supplies_keep_their_terms")
            await tx.rows("UPDATE supplies SET rail = 'ledger'")
        return home

    yield open_
    for context in made:
        await context.__aexit__(None, None, None)


async def test_a_day_in_tiers_is_asked_for_opened_and_billed_once(
    opening: Opener,
) -> None:
    home = await opening(daily(BLOCKS, STANDING, VAT))
    now = BEGAN_AT + DAY_S
    await work(home, now)
    assert await issued(home) == []
    assert await answer(home) == 1
    await work(home, now + 60)
    ((row, found),) = await issued(home)
    assert row.private_bill is not None
    (usage,) = found.usage
    assert (usage.quantity, usage.digest, len(usage.proof)) == (None, b"", 32)
    used = sum(sum(one.value.reveal() for one in day.openings) for day in home.days)
    energy = [line for line in found.lines if line.kind is LineKind.ENERGY]
    assert sum(line.quantity or 0 for line in energy) * 1_000 == used
    assert {LineKind.FIXED, LineKind.TAX} < {line.kind for line in found.lines}
    assert found.total % 5 == 0
    assert await work(home, now + 120) == 0
    assert len(await issued(home)) == 1


async def test_time_of_use_shows_an_amount_and_never_a_quantity(
    opening: Opener,
) -> None:
    home = await opening(daily(TOU, STANDING, VAT))
    await work(home, BEGAN_AT + DAY_S)
    assert await answer(home) == 1
    await work(home, BEGAN_AT + DAY_S)
    ((row, found),) = await issued(home)
    (energy,) = (line for line in found.lines if line.kind is LineKind.ENERGY)
    assert (energy.quantity, energy.price) == (None, None)
    prices = plan_of(home.tariff).tariffs[0]
    exact = bill_over(home.device, home.days, prices).statement.amount
    assert energy.exact * 10**9 == exact
    used = str(sum(v.value.reveal() for day in home.days for v in day.openings))
    assert used.encode() not in row.document


async def test_a_levy_beside_time_of_use_is_two_openings_of_one_period(
    opening: Opener,
) -> None:
    home = await opening(daily(TOU, FUND))
    await work(home, BEGAN_AT + DAY_S)
    assert await answer(home) == 2
    await work(home, BEGAN_AT + DAY_S)
    ((row, found),) = await issued(home)
    assert len({usage.proof for usage in found.usage}) == 2
    assert row.private_bill is not None
    parts = {line.part for line in found.lines if line.kind is LineKind.ENERGY}
    assert parts == {"day", "night"}


async def test_every_day_is_a_bill_of_its_own(opening: Opener) -> None:
    home = await opening(daily(BLOCKS, STANDING), days=2)
    await work(home, BEGAN_AT + 2 * DAY_S)
    await answer(home)
    await work(home, BEGAN_AT + 2 * DAY_S)
    await answer(home)
    await work(home, BEGAN_AT + 2 * DAY_S)
    rows = await issued(home)
    assert [(row.begin, row.end) for row, _ in rows] == [
        (BEGAN_AT, BEGAN_AT + DAY_S),
        (BEGAN_AT + DAY_S, BEGAN_AT + 2 * DAY_S),
    ]


async def test_a_silent_device_is_billed_by_what_it_opened_before(
    opening: Opener,
) -> None:
    home = await opening(daily(BLOCKS, STANDING), days=2)
    await work(home, BEGAN_AT + DAY_S)
    await answer(home)
    await work(home, BEGAN_AT + DAY_S)
    due = BEGAN_AT + 2 * DAY_S + 14 * DAY_S
    await work(home, due + FALLBACK_AFTER_S - 1)
    assert len(await issued(home)) == 1
    await work(home, due + FALLBACK_AFTER_S)
    (first, _), (row, found) = await issued(home)
    assert (row.private_bill, found.usage[0].proof) == (None, b"")
    assert row.amount == first.amount
    assert found.usage[0].estimated > 0
    async with home.desk.database.reading() as tx:
        period = await store.of_bill(tx, row.id)
    assert period is not None
    assert period.state is PeriodState.FALLBACK


async def test_a_period_opened_too_late_is_corrected_by_what_was_opened(
    opening: Opener,
) -> None:
    home = await opening(daily(BLOCKS, STANDING))
    late = BEGAN_AT + DAY_S + 14 * DAY_S + FALLBACK_AFTER_S
    await work(home, BEGAN_AT + DAY_S)
    await work(home, late)
    assert await answer(home) == 1
    await work(home, late + 60)
    (guess, _), (note, _), (row, found) = await issued(home)
    assert (note.corrects, note.amount) == (guess.id, -guess.amount)
    assert (row.replaces, found.replaces) == (guess.id, guess.number)
    assert row.private_bill is not None
    assert row.amount > guess.amount
    async with home.desk.database.reading() as tx:
        period = await store.of_bill(tx, row.id)
        found_all = await ledger_check.findings(tx) + await findings(tx, GENESIS)
    assert period is not None
    assert period.state is PeriodState.CORRECTED
    assert all(one.ok for one in found_all), found_all
    assert await work(home, late + 120) == 0


async def test_a_home_that_never_opened_anything_pays_what_asks_no_usage(
    opening: Opener,
) -> None:
    home = await opening(daily(BLOCKS, STANDING))
    end = BEGAN_AT + DAY_S
    await work(home, end)
    await work(home, end + 14 * DAY_S + FALLBACK_AFTER_S)
    ((_, found),) = await issued(home)
    assert found.total == 25


async def test_devices_are_told_of_a_tariff_before_it_is_opened(
    opening: Opener,
) -> None:
    home = await opening(daily(BLOCKS, STANDING))
    await work(home, BEGAN_AT)
    rows = await home.desk.rows("SELECT document FROM tariffs")
    (document,) = (json.loads(row[0]) for row in rows)
    assert document["id"] == "home.total"
    assert document["bands"] == [{"price": 1}]
    assert await home.desk.count("private_periods") == 0


async def test_a_statement_above_what_was_opened_is_stopped(opening: Opener) -> None:
    home = await opening(daily(TOU, STANDING))
    await work(home, BEGAN_AT + DAY_S)
    await answer(home)
    async with home.desk.database.reading() as tx:
        (period,) = await store.opened_whole(
            tx, PeriodState.ASKED, now=BEGAN_AT + DAY_S, limit=9
        )
        opened = await store.opened(tx, period)
    moment = Moment(GENESIS.network, BEGAN_AT + DAY_S, BEGAN_AT + DAY_S)
    basis = Basis(home.tariff, opened, NOTHING_CARRIED)
    draft = drafted(period, basis, moment)
    assert not isinstance(draft, Refused)
    good = read_statement(draft.document)
    span = Period.whole(good.begin, good.end)
    found = OpenedPeriod(span, 900, opened.amounts)
    plan = plan_of(home.tariff)
    check(good, plan, home.tariff, found)
    segment = good.segments[0]
    for index, line in enumerate(segment.lines):
        more = [*segment.lines]
        more[index] = replace(line, amount=line.amount + 10)
        dear = replace(good, segments=(replace(segment, lines=tuple(more)),))
        with pytest.raises(Refused) as caught:
            check(dear, plan, home.tariff, found)
        assert caught.value.cause is Cause.GUARD
    less = OpenedPeriod(span, 900, (opened.amounts[0] // 2,))
    with pytest.raises(Refused):
        check(good, plan, home.tariff, less)


async def test_what_cannot_be_billed_of_sums_waits_with_its_reason(
    opening: Opener,
) -> None:
    fine = (PeriodPrice("day", Price(1)), PeriodPrice("night", Price(1)))
    odd = replace(TOU, prices=fine)
    home = await opening(daily(odd, digits=9))
    await work(home, BEGAN_AT + DAY_S)
    ((cause, detail),) = await home.desk.rows("SELECT cause, detail FROM bill_waits")
    assert cause == "unrateable"
    assert "micro-units" in detail
    assert await work(home, BEGAN_AT + DAY_S + 1) == 0


def test_the_fallback_looks_at_no_other_plan() -> None:
    # A period's home is not looked at.
    home = cast("Home", None)

    def period(begin: int, end: int, name: bytes) -> PrivatePeriod:
        opened = PeriodState.OPENED
        return PrivatePeriod(1, home, begin, end, b"", 0, opened, 1, (name,))

    now = period(100, 200, b"a")
    past = [
        (period(0, 50, b"a"), Opened((500,))),
        (period(50, 100, b"b"), Opened((9_000,))),
    ]
    assert estimated(now, 1, past).amounts == (1_000,)
    assert estimated(now, 1, past[1:]).amounts == (0,)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("UPDATE private_bills SET amount = '9'", "is not what was opened costs"),
        (
            "UPDATE private_bills SET digest = zeroblob(32)",
            "is not over what its device",
        ),
        ("DELETE FROM private_periods", "names an opening that no private period"),
    ],
)
async def test_the_audit_names_a_bill_that_is_not_what_was_opened(
    opening: Opener, change: str, said: str
) -> None:
    home = await opening(daily(BLOCKS, STANDING))
    await work(home, BEGAN_AT + DAY_S)
    await answer(home)
    await work(home, BEGAN_AT + DAY_S)
    async with home.desk.database.transaction() as tx:
        (good,) = await findings(tx, GENESIS)
        assert good.ok
        for table, what in (
            ("private_bills", "changed"),
            ("private_periods", "deleted"),
        ):
            await tx.rows(f"DROP TRIGGER {table}_are_never_{what}")
        await tx.rows("DROP TRIGGER private_openings_are_never_changed")
        await tx.rows("PRAGMA defer_foreign_keys = ON")
        await tx.rows(change)
        (found,) = await findings(tx, GENESIS)
        assert (found.ok, said in found.detail) == (False, True), found
        await tx.rows("DELETE FROM private_openings")
