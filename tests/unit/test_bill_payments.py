"""Paying bills: whole, in part, too much, twice, by name or the oldest first, by a quote."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from meterseal_aggregator.billing.model import BillState, Cause, Refused
from meterseal_aggregator.billing.receivables.model import Source, Wish
from meterseal_aggregator.billing.receivables.pay import pay
from meterseal_aggregator.billing.receivables.quotes import MAX_VALID_S, QuoteWish, make
from meterseal_aggregator.billing.statements.store import standings
from meterseal_aggregator.ledger import store as ledger
from meterseal_aggregator.ledger.accounts import UTILITY, arrears, user
from meterseal_aggregator.ledger.model import AccountCode, Asset
from meterseal_aggregator.storage.database import Database, Transaction
from tests.support.billed import (
    BY,
    CENT,
    DAY,
    KES,
    TERMS,
    XTS,
    Household,
    a_household,
    billed,
    corrected,
    disputed,
)
from tests.support.marketplace import NOW, a_market, balance


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[Database]:
    async with a_market(tmp_path) as opened:
        yield opened


async def owed(tx: Transaction, member: int, asset: Asset = XTS) -> int:
    code = arrears(member)
    found = (await ledger.balances(tx, asset, [code])).get(code)
    return found.owed if found else 0


async def state(tx: Transaction, bill: int) -> tuple[BillState, int]:
    found = (await standings(tx, [bill]))[bill]
    return found.state, found.outstanding


def wish(home: Household, cents: int, key: str = "k", bill: str = "") -> Wish:
    return Wish(home.member, cents * CENT, key, XTS, bill)


async def refused(tx: Transaction, asked: Wish, now: int = NOW) -> tuple[Cause, str]:
    with pytest.raises(Refused) as caught:
        await pay(tx, asked, now=now)
    return caught.value.cause, caught.value.detail


async def test_a_bill_is_paid_whole_from_the_balance(db: Database) -> None:
    async with db.transaction() as tx:
        ada = await a_household(tx, cents=2_000)
        bill = await billed(tx, ada, 1_250)
        assert await owed(tx, ada.member) == 1_250 * CENT
        made = await pay(tx, wish(ada, 1_250, bill="B-1"), now=NOW)
        assert (made.amount, made.given, made.source) == (
            1_250 * CENT,
            1_250 * CENT,
            Source.MEMBER,
        )
        assert await state(tx, bill) == (BillState.PAID, 0)
        assert (await owed(tx, ada.member), await balance(tx, ada.member)) == (
            0,
            750 * CENT,
        )


async def test_a_payment_of_less_leaves_the_rest_open(db: Database) -> None:
    async with db.transaction() as tx:
        ada = await a_household(tx, cents=2_000)
        bill = await billed(tx, ada, 1_250)
        await pay(tx, wish(ada, 1_000), now=NOW)
        assert await state(tx, bill) == (BillState.PART_PAID, 250 * CENT)


async def test_what_is_paid_too_much_stays_on_the_balance(db: Database) -> None:
    async with db.transaction() as tx:
        ada = await a_household(tx, cents=2_000)
        await billed(tx, ada, 1_250)
        made = await pay(tx, wish(ada, 2_000), now=NOW)
        assert made.given == 1_250 * CENT
        assert await balance(tx, ada.member) == 750 * CENT


async def test_the_bill_due_first_is_paid_first(db: Database) -> None:
    async with db.transaction() as tx:
        ada = await a_household(tx, cents=2_000)
        late = await billed(tx, ada, 500, issued_at=NOW + DAY)
        soon = await billed(tx, ada, 700, issued_at=NOW)
        made = await pay(tx, wish(ada, 900), now=NOW)
        assert [(p.bill, p.amount // CENT) for p in made.parts] == [
            (soon, 700),
            (late, 200),
        ]


async def test_a_named_bill_is_paid_before_older_ones(db: Database) -> None:
    async with db.transaction() as tx:
        ada = await a_household(tx, cents=2_000)
        old = await billed(tx, ada, 700)
        new = await billed(tx, ada, 500, issued_at=NOW + DAY)
        await pay(tx, wish(ada, 900, bill=f"B-{new}"), now=NOW)
        assert await state(tx, new) == (BillState.PAID, 0)
        assert await state(tx, old) == (BillState.ISSUED, 700 * CENT)


async def test_what_is_disputed_is_paid_only_by_its_name(db: Database) -> None:
    async with db.transaction() as tx:
        ada = await a_household(tx, cents=2_000)
        bill = await billed(tx, ada, 700)
        await disputed(tx, bill, 300)
        made = await pay(tx, wish(ada, 2_000), now=NOW)
        assert made.amount == 400 * CENT
        assert (await refused(tx, wish(ada, 100, "k2")))[0] is Cause.STATE
        await pay(tx, wish(ada, 300, "k3", "B-1"), now=NOW)
        assert await state(tx, bill) == (BillState.PAID, 0)


async def test_the_same_wish_under_its_key_is_one_payment(db: Database) -> None:
    async with db.transaction() as tx:
        ada = await a_household(tx, cents=2_000)
        await billed(tx, ada, 700)
        made = await pay(tx, wish(ada, 300), now=NOW)
        assert await pay(tx, wish(ada, 300), now=NOW + 5) == made
        assert await owed(tx, ada.member) == 400 * CENT
        for other in (
            wish(ada, 301),
            wish(ada, 300, bill="B-1"),
            replace(wish(ada, 300), asset=KES),
            replace(wish(ada, 300), quote=1),
        ):
            assert (await refused(tx, other))[0] is Cause.KEY_USED


async def test_two_payments_at_once_pay_a_bill_once(db: Database) -> None:
    async with db.transaction() as tx:
        ada = await a_household(tx, cents=5_000)
        await billed(tx, ada, 700)

    async def attempt(key: str) -> int:
        async with db.transaction() as tx:
            try:
                return (await pay(tx, wish(ada, 700, key, "B-1"), now=NOW)).amount
            except Refused as error:
                assert error.cause is Cause.STATE
                return 0

    got = await asyncio.gather(*(attempt(f"k{n}") for n in range(6)))
    assert sorted(got) == [0, 0, 0, 0, 0, 700 * CENT]
    async with db.reading() as tx:
        assert await balance(tx, ada.member) == 4_300 * CENT


async def test_nobody_pays_with_what_he_does_not_hold(db: Database) -> None:
    async with db.transaction() as tx:
        ada = await a_household(tx, cents=100)
        bill = await billed(tx, ada, 700)
        cause, detail = await refused(tx, wish(ada, 700))
        assert cause is Cause.FUNDS
        assert "pay money in" in detail
        assert await state(tx, bill) == (BillState.ISSUED, 700 * CENT)
        await pay(tx, wish(ada, 100), now=NOW)


async def test_no_member_pays_or_learns_of_anothers_bill(db: Database) -> None:
    async with db.transaction() as tx:
        ada = await a_household(tx, cents=2_000)
        bo = await a_household(tx, "Bo", cents=2_000)
        await billed(tx, bo, 700)
        known = await refused(tx, wish(ada, 700, bill="B-1"))
        unknown = await refused(tx, wish(ada, 700, bill="B-2"))
        assert known[0] is unknown[0] is Cause.UNKNOWN
        assert known[1].replace("B-1", "B-2") == unknown[1]


async def test_a_bill_in_another_asset_says_what_to_do(db: Database) -> None:
    async with db.transaction() as tx:
        ada = await a_household(tx, cents=2_000, asset=KES)
        await billed(tx, ada, 700)
        cause, detail = await refused(tx, wish(ada, 700, bill="B-1"))
        assert cause is Cause.CURRENCY
        assert detail.endswith("pay in KES, or by a quote for it")
        assert (await refused(tx, wish(ada, 700)))[0] is Cause.STATE


async def test_a_quote_pays_in_another_asset_as_a_linked_pair(db: Database) -> None:
    async with db.transaction() as tx:
        ada = await a_household(tx, cents=2_000, asset=KES)
        bill = await billed(tx, ada, 700)
        rate = 130_000_000
        made = QuoteWish(XTS, KES, rate, NOW + DAY, "q")
        quote = await make(tx, made, BY, now=NOW)
        assert await make(tx, made, BY, now=NOW) == quote
        asked = replace(wish(ada, 10, bill="B-1"), quote=quote.id)
        paid = await pay(tx, asked, now=NOW)
        # Seven shillings at 130 a unit are 53,846.15 micro-units, rounded up.
        assert (paid.amount, paid.given) == (7_000_000, 53_847)
        assert await state(tx, bill) == (BillState.PAID, 0)
        codes = [UTILITY, user(ada.member)]
        in_xts = await ledger.balances(tx, XTS, codes)
        in_kes = await ledger.balances(tx, KES, codes)
        assert in_xts[UTILITY].held == 53_847
        assert in_xts[user(ada.member)].held == 20_000_000 - 53_847
        assert in_kes[UTILITY].debits_posted == in_kes[UTILITY].credits_posted


async def test_a_quote_ends_and_is_for_its_assets_alone(db: Database) -> None:
    async with db.transaction() as tx:
        ada = await a_household(tx, cents=2_000, asset=KES)
        await billed(tx, ada, 700)
        quote = await make(tx, QuoteWish(XTS, KES, 10**6, NOW + DAY, "q"), BY, now=NOW)
        asked = replace(wish(ada, 10), quote=quote.id)
        assert (await refused(tx, asked, NOW + DAY))[0] is Cause.STATE
        other = replace(asked, asset=KES)
        assert (await refused(tx, other))[0] is Cause.CURRENCY
        assert (await refused(tx, replace(asked, quote=9)))[0] is Cause.UNKNOWN
        for wrong, cause in (
            (QuoteWish(XTS, XTS, 1, NOW + DAY, "a"), Cause.CURRENCY),
            (QuoteWish(XTS, Asset("EUR"), 1, NOW + DAY, "b"), Cause.CURRENCY),
            (QuoteWish(XTS, KES, 1, NOW, "c"), Cause.STATE),
            (QuoteWish(XTS, KES, 1, NOW + MAX_VALID_S + 1, "d"), Cause.STATE),
            (QuoteWish(XTS, KES, 2, NOW + DAY, "q"), Cause.KEY_USED),
        ):
            with pytest.raises(Refused) as caught:
                await make(tx, wrong, BY, now=NOW)
            assert caught.value.cause is cause


async def test_a_bill_that_was_taken_back_is_not_paid(db: Database) -> None:
    async with db.transaction() as tx:
        ada = await a_household(tx, cents=2_000)
        bill = await billed(tx, ada, 700)
        await corrected(tx, ada, bill, 600)
        cause, detail = await refused(tx, wish(ada, 700, bill="B-1"))
        assert (cause, "in its place" in detail) == (Cause.STATE, True)
        made = await pay(tx, wish(ada, 700), now=NOW)
        assert made.amount == 600 * CENT
        assert await owed(tx, ada.member) == 0


async def test_each_part_is_one_entry_that_names_its_bill(db: Database) -> None:
    async with db.transaction() as tx:
        ada = await a_household(tx, cents=2_000)
        await billed(tx, ada, 700)
        await billed(tx, ada, 500)
        await pay(tx, wish(ada, 1_000), now=NOW)
        entries = [e.transfer for _, _, e in await ledger.entries_after(tx, 0)]
        moves = [t for t in entries if t.purpose == "bill-payment"]
        assert [(t.debit, t.credit, t.reference, t.linked) for t in moves] == [
            (user(ada.member), arrears(ada.member), b"B-1", True),
            (user(ada.member), arrears(ada.member), b"B-2", False),
        ]


def test_terms_of_these_tests_are_those_of_the_household() -> None:
    assert TERMS.due_days == 14
    assert AccountCode("utility") == UTILITY
