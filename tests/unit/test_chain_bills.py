"""Bills on the chain: asked by their member, moved by what the chain tells, and by nothing else."""

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from meterseal_aggregator.billing.chain import check, duty, show, store
from meterseal_aggregator.billing.chain.model import (
    BILLED,
    PROVIDER,
    QUOTED,
    NotAsked,
    Trouble,
    owed,
)
from meterseal_aggregator.billing.chain.show import ChainState
from meterseal_aggregator.billing.chain.totals import on_totals
from meterseal_aggregator.billing.model import Act, BillAct, BillRow, BillState
from meterseal_aggregator.billing.statements import store as bills
from meterseal_aggregator.ledger.model import Asset
from meterseal_aggregator.stacks.events import bills as told
from meterseal_aggregator.stacks.events.energy import (
    UtilityBurned,
    UtilityMinted,
    UtilityMoved,
)
from meterseal_aggregator.stacks.events.record import Told
from meterseal_aggregator.translog import store as log
from meterseal_proto.c32 import Principal
from meterseal_proto.entry import bill_hash_entry
from meterseal_proto.rating.components import (
    Flat,
    Levy,
    Per,
    Price,
    Proration,
    SignedPrice,
)
from meterseal_proto.rating.statement import Rail
from meterseal_proto.rating.tariff import Rule
from tests.support.chainrig import ADA, EVE, NOW, TILL, TOKEN, USD, Rig, post_tariff
from tests.support.energychain import AT, ORACLE
from tests.support.privatebills import STX, PrivateHome, a_home, chain_tariff


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with a_home(tmp_path) as home:
        await post_tariff(home)
        yield Rig(home, await home.issue(await home.opened()))


async def test_a_bill_is_asked_once_and_again_is_the_same(rig: Rig) -> None:
    made = await rig.ask()
    assert made == await rig.ask()
    assert (made.usage, made.asked) == (rig.home.usage, rig.row.amount)
    assert made.number is None
    await rig.refuses(Trouble.ASKED, payer=EVE)
    await rig.well()


@pytest.mark.parametrize(
    ("trouble", "change"),
    [
        (Trouble.UNKNOWN, {"number": "2026-00000009"}),
        (Trouble.UNKNOWN, {"member": 77}),
        (Trouble.WALLET, {"payer": EVE}),
        (Trouble.OPENING, {"usage": 1}),
        (Trouble.OPENING, {"z": bytes(32)}),
        (Trouble.OPENING, {"a": bytes(33)}),
        (Trouble.OPENING, {"usage": 0, "a": bytes(33)}),
    ],
)
async def test_what_is_not_the_members_own_true_opening_is_not_asked(
    rig: Rig, trouble: Trouble, change: dict[str, object]
) -> None:
    await rig.refuses(trouble, **change)


async def test_a_bill_taken_back_is_brought_no_more_and_its_period_not_opened_again(
    rig: Rig,
) -> None:
    await rig.ask()
    database = rig.home.desk.database
    async with database.transaction() as tx:
        assert len(await store.waiting(tx, 0, 9)) == 1
        taken = BillAct(rig.row.id, Act.CORRECTED, 0, NOW.network, "test")
        await bills.act(tx, [taken])
        assert await store.waiting(tx, 0, 9) == []
        (entry,) = await log.append(tx, [bill_hash_entry(bytes(32))])
        await tx.rows(
            "INSERT INTO bills SELECT 9, '2026-00000009', kind, supply_id, member_id,"
            " from_at, to_at, asset, amount, NULL, id, NULL, rail, known_at, issued_at,"
            " document, salt, zeroblob(32), ? FROM bills WHERE id = ?",
            (entry, rig.row.id),
        )
    await rig.refuses(Trouble.STATE, number="2026-00000009")


async def test_a_bill_of_the_ledgers_rail_stays_there(tmp_path: Path) -> None:
    async with a_home(tmp_path) as home:
        await post_tariff(home)
        kept = await home.opened()
        rig = Rig(home, await home.issue(kept, Rail.LEDGER))
        await rig.refuses(Trouble.RAIL)


async def test_a_bill_that_no_device_opened_is_not_computed(tmp_path: Path) -> None:
    async with a_home(tmp_path) as home:
        await post_tariff(home)
        await rig_of(home, await home.issue(None)).refuses(Trouble.NOT_OPENED)


async def test_a_tariff_the_contract_held_too_late_computes_nothing(rig: Rig) -> None:
    async with rig.home.desk.database.transaction() as tx:
        await tx.rows("UPDATE chain_tariffs SET from_at = from_at + 1")
    await rig.refuses(Trouble.TARIFF)


def rig_of(home: PrivateHome, row: BillRow) -> Rig:
    return Rig(home, row)


async def test_a_bill_is_billed_paid_in_parts_and_rewarded_by_events(rig: Rig) -> None:
    made = await rig.ask()
    await rig.tell(await rig.issued())
    assert await rig.held(owed(rig.home.member)) == made.asked
    assert await rig.held(BILLED) == -made.asked
    part = made.asked // 3
    await rig.tell(told.BillPaid(1, ADA, part, made.asked - part))
    assert await rig.standing() == (BillState.PART_PAID, made.asked - part)
    await rig.tell(told.BillPaid(1, EVE, made.asked - part, 0))
    assert await rig.standing() == (BillState.PAID, 0)
    assert await rig.held(owed(rig.home.member)) == 0
    assert await rig.held(PROVIDER) == made.asked
    await rig.tell(told.PaymentRewarded(1, ADA, 55), UtilityMinted(55, ADA))
    assert (await rig.bill()).reward == 55
    await rig.tell(UtilityMoved(20, ADA, EVE), UtilityBurned(5, EVE))
    async with rig.home.desk.database.reading() as tx:
        assert await store.tokens_of(tx, ADA.text()) == 35
        assert await store.tokens_of(tx, EVE.text()) == 15
    assert await rig.strays() == []
    await rig.well()


async def test_a_court_lowers_a_paid_bill_and_the_excess_goes_back(rig: Rig) -> None:
    made = await rig.ask()
    low = made.asked - 1_000
    await rig.tell(
        await rig.issued(),
        told.BillPaid(1, ADA, made.asked, 0),
        told.BillCorrected(1, 3, low, made.asked),
    )
    async with rig.home.desk.database.transaction() as tx:
        assert [one.excess for one in await store.refundable(tx, 10)] == [1_000]
    await duty.run_once(rig.home.desk.database, TILL, NOW)
    rows = await rig.home.desk.rows("SELECT deed FROM deeds WHERE deed LIKE '%refund%'")
    assert rows == [(f"bill-refund {made.id} {made.asked} {low}/0",)]
    await rig.tell(told.BillRefunded(1, 1_000))
    assert await rig.held(PROVIDER) == low
    assert await rig.held(owed(rig.home.member)) == 0
    await rig.well()


async def test_a_court_lowers_what_is_still_asked(rig: Rig) -> None:
    made = await rig.ask()
    await rig.tell(await rig.issued(), told.BillCorrected(1, 3, 400, made.asked))
    assert (await rig.standing())[1] == 400
    await rig.tell(told.BillPaid(1, ADA, 400, 0))
    assert await rig.standing() == (BillState.PAID, 0)
    await rig.well()


async def test_a_held_bill_is_disputed_until_it_is_let_go_with_more_time(
    rig: Rig,
) -> None:
    made = await rig.ask()
    issued = await rig.issued()
    await rig.tell(issued, told.BillHeld(1, held=True, due_at=issued.due_at))
    async with rig.home.desk.database.reading() as tx:
        one = (await bills.standings(tx, [rig.row.id]))[rig.row.id]
    assert (one.disputed, one.asked) == (made.asked, 0)
    async with rig.home.desk.database.transaction() as tx:
        given = (USD, 77, NOW.real + 60)
        with pytest.raises(NotAsked, match="held on the chain"):
            await duty.quote(tx, TILL, rig.row.id, given, NOW)
    later = issued.due_at + 3_600
    await rig.tell(told.BillHeld(1, held=False, due_at=later))
    async with rig.home.desk.database.reading() as tx:
        one = (await bills.standings(tx, [rig.row.id]))[rig.row.id]
    assert (one.disputed, one.asked) == (0, made.asked)
    assert (await rig.bill()).due_at == later
    await rig.well()


async def test_a_held_bill_that_is_due_beyond_all_time_is_a_stray(rig: Rig) -> None:
    await rig.ask()
    issued = await rig.issued()
    await rig.tell(issued, told.BillHeld(1, held=True, due_at=1 << 90))
    assert await rig.strays() == ["bill-held"]
    assert not (await rig.bill()).held


async def test_a_quote_in_a_stablecoin_is_one_linked_pair(rig: Rig) -> None:
    made = await rig.ask()
    quoted = told.BillQuoted(1, TOKEN.contract, 77, made.asked, NOW.real + 60)
    await rig.tell(await rig.issued(), quoted)
    async with rig.home.desk.database.reading() as tx:
        (one,) = await show.shown(
            tx, TILL, rig.home.member, after=0, limit=9, real_now=NOW.real
        )
        (late,) = await show.shown(
            tx, TILL, rig.home.member, after=0, limit=9, real_now=NOW.real + 61
        )
    assert [call.function for call in one.calls] == [
        "payment.pay-bill",
        "payment.pay-quoted",
    ]
    assert len(late.calls) == 1
    paid = told.BillPaidAtQuote(1, EVE, made.asked, TOKEN.contract, 77)
    await rig.tell(paid)
    assert await rig.standing() == (BillState.PAID, 0)
    assert await rig.held(PROVIDER, USD) == 77
    assert await rig.held(QUOTED, USD) == -77
    assert await rig.held(QUOTED) == made.asked
    await rig.well()


def tells(
    change: Callable[[told.BillIssued], Told],
) -> Callable[[told.BillIssued], Told]:
    return change


@pytest.mark.parametrize(
    "lie",
    [
        tells(lambda one: replace(one, amount=one.amount + 1)),
        tells(lambda one: replace(one, amount=one.amount - 1)),
        tells(lambda one: replace(one, usage=one.usage + 1)),
        tells(lambda one: replace(one, payer=EVE)),
        tells(lambda one: replace(one, start=one.start + 900)),
        tells(lambda one: replace(one, meter=bytes(16))),
        tells(lambda one: replace(one, bill=1 << 90)),
    ],
)
async def test_a_bill_that_nobody_asked_for_so_is_a_stray_and_posts_nothing(
    rig: Rig, lie: Callable[[told.BillIssued], Told]
) -> None:
    await rig.ask()
    await rig.tell(lie(await rig.issued()))
    assert await rig.strays() == ["bill-issued"]
    assert await rig.held(BILLED) == 0
    async with rig.home.desk.database.reading() as tx:
        found = await check.findings(tx)
    assert [one.ok for one in found] == [True, True, True, False]


async def test_what_follows_a_strange_bill_is_strange_and_a_strangers_is_nothing(
    rig: Rig,
) -> None:
    await rig.ask()
    strange = replace(await rig.issued(), bill=8, usage=1)
    stranger = replace(await rig.issued(), bill=9, provider=EVE)
    for one in (strange, stranger):
        await rig.tell(one, told.BillPaid(one.bill, ADA, 5, 5))
    assert await rig.strays() == ["bill-issued", "bill-paid"]
    assert await rig.held(PROVIDER) == 0


async def test_payments_that_do_not_add_up_are_strays(rig: Rig) -> None:
    made = await rig.ask()
    await rig.tell(await rig.issued())
    await rig.tell(
        told.BillPaid(1, ADA, 5, made.asked),
        told.BillPaidAtQuote(1, ADA, 5, TOKEN.contract, 5),
        told.BillPaidAtQuote(1, ADA, made.asked, AT.contract("other"), 5),
        told.BillCorrected(1, 1, 5, 6),
        told.BillRefunded(1, 5),
        told.PaymentRewarded(1, ADA, 5),
    )
    assert len(await rig.strays()) == 6
    assert await rig.standing() == (BillState.ISSUED, made.asked)
    assert await rig.held(owed(rig.home.member)) == made.asked


async def test_each_bills_hash_is_posted_once_and_a_strange_one_alarms(
    rig: Rig,
) -> None:
    database = rig.home.desk.database
    assert await duty.run_once(database, TILL, NOW) > 0
    assert await duty.run_once(database, TILL, NOW) == 0
    rows = await rig.home.desk.rows(
        "SELECT deed FROM deeds WHERE deed LIKE 'bill-hash%'"
    )
    assert rows == [(f"bill-hash {rig.row.id}/0",)]
    await rig.tell(told.BillHash(EVE, bytes(32)), told.BillHash(ORACLE, rig.row.hash))
    assert await rig.strays() == []
    async with database.reading() as tx:
        assert await store.unposted(tx, 0, 9) == []
    await rig.tell(
        told.BillHash(ORACLE, rig.row.hash), told.BillHash(ORACLE, bytes(32))
    )
    assert await rig.strays() == ["bill-hash", "bill-hash"]


async def test_a_bill_is_brought_once_its_days_count_and_its_owner_lets_us(
    rig: Rig,
) -> None:
    await rig.ask()
    database = rig.home.desk.database

    async def wanted() -> int:
        await duty.run_once(database, TILL, NOW)
        rows = await rig.home.desk.rows(
            "SELECT count(*) FROM deeds WHERE deed LIKE 'bill-made%'"
        )
        return int(rows[0][0])

    async def state() -> ChainState:
        async with database.reading() as tx:
            (one,) = await show.shown(
                tx, TILL, rig.home.member, after=0, limit=9, real_now=NOW.real
            )
        return one.state

    assert (await wanted(), await state()) == (0, ChainState.DAYS)
    days = [
        told.UsageProof(
            day.seal.header.meter, day.seal.header.register, day.seal.header.first,
            day.seal.header.end, day.seal.header.seq, day.digest, NOW.real - 1,
        )
        for day in rig.home.days
    ]  # fmt: skip
    await rig.tell(*days)
    assert (await wanted(), await state()) == (0, ChainState.LET)
    await rig.tell(told.OpeningLet(rig.home.device.meter, EVE, NOW.real + 9))
    assert await wanted() == 0
    await rig.tell(told.OpeningLet(rig.home.device.meter, ORACLE, NOW.real + 9))
    assert (await wanted(), await state()) == (1, ChainState.MAKING)
    await rig.tell(replace(await rig.issued()))
    assert await state() is ChainState.OPEN


def test_a_tariff_on_totals_has_just_the_prices_of_the_tariff_in_full() -> None:
    tariff = chain_tariff()
    whole = on_totals(tariff, 5)
    assert whole.charge(25_000, 2) == 20 * 200_000 + 5 * 400_000 + 2 * 10_000
    levy = Levy("fund", SignedPrice(1), Per.UNIT, Proration.DAYS)
    for wrong in (
        replace(tariff, rounding=Rule.HALF_UP),
        chain_tariff(levy),
        chain_tariff(Flat("a", Price(1)), Flat("b", Price(1))),
        replace(chain_tariff(Flat("a", Price(1))), digits=9),
    ):
        with pytest.raises(ValueError, match=r"\w"):
            on_totals(wrong, 5)


def test_a_tills_tokens_are_named_both_ways() -> None:
    assert TILL.named(None) == STX
    assert TILL.named(TOKEN.contract) == USD
    assert TILL.named(Principal(AT.address, "other")) is None
    with pytest.raises(NotAsked):
        TILL.token(Asset("KES"))
