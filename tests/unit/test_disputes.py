"""Disputes freeze their part and nothing else, and end once: decided or withdrawn."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from meterseal_aggregator.billing.model import Act, BillAct, BillRow, BillState
from meterseal_aggregator.billing.statements import affected
from meterseal_aggregator.billing.statements import store as bills
from meterseal_aggregator.disputes import audit, store
from meterseal_aggregator.disputes.decide import decide
from meterseal_aggregator.disputes.model import (
    BILL_WINDOW_S,
    MAX_OPEN,
    Cause,
    Decided,
    Decision,
    Dispute,
    NotDisputed,
    Remedy,
    State,
    Wish,
    decision_hash,
)
from meterseal_aggregator.disputes.open import open_trade, withdraw
from meterseal_aggregator.identity.events import told
from meterseal_aggregator.ledger import store as ledger
from meterseal_aggregator.ledger.accounts import CASH, UTILITY, user
from meterseal_aggregator.ledger.model import Transfer, TransferId
from meterseal_aggregator.market import trades
from meterseal_aggregator.market.delivery import Lane, Terms
from meterseal_aggregator.market.model import Declined, Trade
from meterseal_aggregator.market.trades import NewTrade
from meterseal_aggregator.storage.database import Transaction
from meterseal_proto.entry import bill_hash_entry
from tests.support.billinghouse import (
    DAY,
    EUR,
    JUNE,
    MAY,
    NETWORK,
    Home,
    Utility,
    a_utility,
)
from tests.support.disputing import NOW, WRONG, billed, opened

REAL_NOW = NOW + 5
"""The real second of a decision, of a network whose clock was moved on."""


@pytest.fixture
async def utility(tmp_path: Path) -> AsyncIterator[Utility]:
    async with a_utility(tmp_path) as found:
        yield found


async def refused(utility: Utility, bill: BillRow, wish: Wish, now: int = NOW) -> Cause:
    with pytest.raises(NotDisputed) as caught:
        await opened(utility, bill, wish, now)
    return caught.value.cause


async def decided(
    utility: Utility, number: int, verdict: State, remedy: Remedy, amount: int
) -> tuple[Dispute, Decided]:
    made = Decision(verdict, remedy, amount, "token:op", "as the meter shows")
    async with utility.database.transaction() as tx:
        return await decide(tx, number, made, now=NOW + 60, real_now=REAL_NOW)


async def holds(utility: Utility) -> bool:
    async with utility.database.reading() as tx:
        return all(one.ok for one in await audit.findings(tx))


async def test_what_is_disputed_is_not_asked_for_and_the_rest_is(
    utility: Utility,
) -> None:
    _, bill = await billed(utility)
    made = await opened(utility, bill, replace(WRONG, amount=5_000_000))
    standing = await utility.standing(bill)
    assert (made.frozen, standing.disputed) == (5_000_000, 5_000_000)
    assert standing.asked == bill.amount - 5_000_000
    assert await holds(utility)


async def test_a_dispute_of_lines_is_of_what_they_add_up_to(utility: Utility) -> None:
    _, bill = await billed(utility)
    whole = await opened(utility, bill, replace(WRONG, lines=(1, 3)))
    async with utility.database.reading() as tx:
        found = await store.dispute(tx, whole.id)
    assert 0 < found.claimed < bill.amount
    assert found.lines == (1, 3)


async def test_the_same_wish_under_the_same_key_is_one_dispute(
    utility: Utility,
) -> None:
    _, bill = await billed(utility)
    first = await opened(utility, bill, WRONG)
    assert await opened(utility, bill, WRONG) == first
    other = replace(WRONG, reason="something else")
    assert await refused(utility, bill, other) is Cause.KEY_USED
    assert (await utility.standing(bill)).disputed == bill.amount


async def test_a_member_disputes_his_own_bill_in_time_within_its_amount(
    utility: Utility,
) -> None:
    _, bill = await billed(utility)
    bo = await utility.supply("Bo")
    for wish, now, cause in (
        (replace(WRONG, member=bo.member), NOW, Cause.UNKNOWN),
        (replace(WRONG, amount=bill.amount + 1), NOW, Cause.AMOUNT),
        (replace(WRONG, lines=(99,)), NOW, Cause.AMOUNT),
        (replace(WRONG, lines=(1,), amount=5), NOW, Cause.AMOUNT),
        (WRONG, bill.issued_at + BILL_WINDOW_S + 1, Cause.TOO_LATE),
    ):
        assert await refused(utility, bill, wish, now) is cause


async def test_what_is_paid_already_may_be_disputed_and_freezes_nothing(
    utility: Utility,
) -> None:
    _, bill = await billed(utility)
    async with utility.database.transaction() as tx:
        paid = BillAct(bill.id, Act.PAID, bill.amount, NOW, "test")
        await bills.act(tx, [paid])
    made = await opened(utility, bill, WRONG)
    assert (made.claimed, made.frozen) == (bill.amount, 0)
    ended, _ = await decided(utility, made.id, State.REJECTED, Remedy.NONE, 0)
    assert ended.state is State.REJECTED
    async with utility.database.transaction() as tx:
        await bills.act(tx, [replace(paid, act=Act.UNPAID)])


async def test_a_member_has_so_many_disputes_open(utility: Utility) -> None:
    _, bill = await billed(utility)
    for n in range(MAX_OPEN):
        await opened(utility, bill, replace(WRONG, key=f"k{n}", amount=1))
    last = replace(WRONG, key="one more", amount=1)
    assert await refused(utility, bill, last) is Cause.FULL
    assert (await utility.standing(bill)).disputed == MAX_OPEN
    assert await holds(utility)


async def test_a_withdrawn_dispute_is_asked_for_again_and_ends_once(
    utility: Utility,
) -> None:
    _, bill = await billed(utility)
    made = await opened(utility, bill, WRONG)
    async with utility.database.transaction() as tx:
        ended = await withdraw(tx, made.id, bill.member, now=NOW + 5)
        assert await withdraw(tx, made.id, bill.member, now=NOW + 6) == ended
    assert ended.state is State.WITHDRAWN
    assert (await utility.standing(bill)).disputed == 0
    with pytest.raises(NotDisputed):
        await decided(utility, made.id, State.REJECTED, Remedy.NONE, 0)


async def test_a_part_that_is_upheld_is_credited_and_the_log_has_the_decision(
    utility: Utility,
) -> None:
    home, bill = await billed(utility)
    made = await opened(utility, bill, replace(WRONG, amount=6_000_000))
    before = await utility.balance(UTILITY)
    ended, kept = await decided(
        utility, made.id, State.PART_UPHELD, Remedy.CREDIT, 2_000_000
    )
    assert ended.state is State.PART_UPHELD
    assert await utility.balance(user(home.member)) == 2_000_000
    assert await utility.balance(UTILITY) == before - 2_000_000
    assert (await utility.standing(bill)).disputed == 0
    async with utility.database.reading() as tx:
        ((body,),) = await tx.rows(
            "SELECT body FROM log_entries WHERE id = ?", (kept.log_entry,)
        )
        events = await told(tx, home.member, after=0, limit=10)
    assert body == bill_hash_entry(kept.hash)
    decision = Decision(
        ended.state, kept.remedy, kept.amount, kept.actor, kept.reason or ""
    )
    assert kept.salt is not None
    assert decision_hash(kept.salt, made, decision, kept.decided_at) == kept.hash
    assert [event.kind for event in events if event.kind == "dispute"] == [
        "dispute"
    ] * 2
    assert await holds(utility)


@pytest.mark.parametrize(
    ("verdict", "remedy", "amount"),
    [
        (State.UPHELD, Remedy.CREDIT, 5),
        (State.UPHELD, Remedy.NONE, 6_000_000),
        (State.PART_UPHELD, Remedy.CREDIT, 6_000_000),
        (State.PART_UPHELD, Remedy.CREDIT, 0),
        (State.REJECTED, Remedy.NONE, 1),
        (State.REJECTED, Remedy.CREDIT, 0),
        (State.WITHDRAWN, Remedy.NONE, 0),
        (State.OPEN, Remedy.NONE, 0),
        (State.UPHELD, Remedy.CORRECTION, 6_000_000),
    ],
)
async def test_a_decision_that_cannot_be_changes_nothing(
    utility: Utility, verdict: State, remedy: Remedy, amount: int
) -> None:
    _, bill = await billed(utility)
    made = await opened(utility, bill, replace(WRONG, amount=6_000_000))
    with pytest.raises(NotDisputed):
        await decided(utility, made.id, verdict, remedy, amount)
    assert (await utility.standing(bill)).disputed == 6_000_000
    assert await holds(utility)


async def test_two_disputes_of_one_bill_end_apart(utility: Utility) -> None:
    _, bill = await billed(utility)
    first = await opened(utility, bill, replace(WRONG, amount=3_000_000))
    second = await opened(utility, bill, replace(WRONG, key="two", amount=4_000_000))
    await decided(utility, first.id, State.REJECTED, Remedy.NONE, 0)
    assert (await utility.standing(bill)).disputed == 4_000_000
    await decided(utility, second.id, State.UPHELD, Remedy.CREDIT, 4_000_000)
    assert (await utility.standing(bill)).disputed == 0
    assert await holds(utility)


async def test_a_correction_ends_what_was_frozen_and_then_upholds_the_dispute(
    utility: Utility,
) -> None:
    home, bill = await billed(utility)
    made = await opened(utility, bill, WRONG)
    await utility.use(home, MAY, JUNE, 200, known_at=NOW + 60)
    while await affected.run_once(utility.database, NETWORK, NOW + DAY):
        pass
    assert (await utility.standing(bill)).state is BillState.CORRECTED
    *_, new = await utility.bills()
    assert 0 < (await utility.standing(new)).disputed == new.amount
    assert await holds(utility)
    with pytest.raises(NotDisputed):
        await opened(utility, bill, replace(WRONG, key="late"))
    ended, _ = await decided(
        utility, made.id, State.UPHELD, Remedy.CORRECTION, bill.amount
    )
    assert ended.state is State.UPHELD
    assert (await utility.standing(new)).disputed == 0
    assert await holds(utility)


async def a_trade(utility: Utility) -> Trade:
    """Make a trade from Bo to Ada, held."""
    ada, bo = await utility.supply("Ada"), await utility.supply("Bo")
    async with utility.database.transaction() as tx:
        await tx.many(
            "INSERT INTO slot_sales (meter_point_id, start, length, seller_id, cap_wh,"
            " promised_wh) VALUES (?, ?, 900, ?, 5000, 500)",
            [(bo.point, NOW, bo.member)],
        )
        await fund_euros(tx, ada.member)
        wish = NewTrade(
            Lane.OFFER, bo.point, NOW, 900, bo.member, ada.member, 500,
            Terms(120_000, 5_000, 0, 250_000), EUR, order=await an_order(tx, bo, ada),
        )  # fmt: skip
        (made,) = await trades.make(tx, [wish], now=NOW)
    return made


async def fund_euros(tx: Transaction, member: int) -> None:
    entry = Transfer(
        id=TransferId(member.to_bytes(16)), amount=1_000_000, debit=CASH,
        credit=user(member), purpose="deposit", asset=EUR, effective_at=NOW,
    )  # fmt: skip
    (result,) = await ledger.post(tx, [entry], now=NOW)
    assert result.entered, result


async def an_order(tx: Transaction, seller: Home, buyer: Home) -> int:
    await tx.many(
        "INSERT INTO offers (id, seller_id, meter_point_id, price, rail, request_key,"
        " made_at) VALUES (1, ?, ?, 120000, 'ledger', 'k', ?)",
        [(seller.member, seller.point, NOW)],
    )
    await tx.many(
        "INSERT INTO orders (id, offer_id, buyer_id, seller_id, rail, state, wh,"
        " request_key, reserved_at, confirmed_at) VALUES (1, 1, ?, ?, 'ledger',"
        " 'confirmed', 500, 'k', ?, ?)",
        [(buyer.member, seller.member, NOW, NOW)],
    )
    return 1


async def test_a_disputed_trade_waits_and_goes_on_when_the_dispute_ends(
    utility: Utility,
) -> None:
    trade = await a_trade(utility)
    async with utility.database.transaction() as tx:
        wish = replace(WRONG, member=trade.buyer)
        made = await open_trade(tx, trade.id, wish, now=NOW)
    assert made.held
    with pytest.raises(Declined):
        async with utility.database.transaction() as tx:
            await trades.cancel(tx, [trade], now=NOW + 1)
    assert await holds(utility)
    await decided(utility, made.id, State.REJECTED, Remedy.NONE, 0)
    assert await holds(utility)
    async with utility.database.transaction() as tx:
        await trades.cancel(tx, [trade], now=NOW + 120)


async def test_both_sides_may_dispute_a_trade_once_each_and_both_must_end(
    utility: Utility,
) -> None:
    trade = await a_trade(utility)
    found = []
    async with utility.database.transaction() as tx:
        for member in (trade.buyer, trade.seller):
            wish = replace(WRONG, member=member)
            found.append(await open_trade(tx, trade.id, wish, now=NOW))
        again = replace(WRONG, member=trade.buyer, key="again")
        with pytest.raises(NotDisputed) as caught:
            await open_trade(tx, trade.id, again, now=NOW)
    assert caught.value.cause is Cause.DISPUTED
    await decided(utility, found[0].id, State.REJECTED, Remedy.NONE, 0)
    with pytest.raises(Declined):
        async with utility.database.transaction() as tx:
            await trades.cancel(tx, [trade], now=NOW + 120)
    async with utility.database.transaction() as tx:
        await withdraw(tx, found[1].id, trade.seller, now=NOW + 90)
        await trades.cancel(tx, [trade], now=NOW + 120)
    assert await holds(utility)


async def test_a_credit_that_the_fund_cannot_pay_is_refused_whole(
    utility: Utility,
) -> None:
    trade = await a_trade(utility)
    async with utility.database.transaction() as tx:
        wish = replace(WRONG, member=trade.buyer)
        made = await open_trade(tx, trade.id, wish, now=NOW)
    with pytest.raises(NotDisputed) as caught:
        await decided(utility, made.id, State.UPHELD, Remedy.CREDIT, made.claimed)
    assert caught.value.cause is Cause.FUNDS
    assert await holds(utility)


async def test_the_operators_trail_has_a_decision_in_real_seconds(
    utility: Utility,
) -> None:
    _, bill = await billed(utility)
    made = await opened(utility, bill, WRONG)
    _, kept = await decided(utility, made.id, State.REJECTED, Remedy.NONE, 0)
    assert kept.decided_at == NOW + 60
    async with utility.database.reading() as tx:
        rows = await tx.rows(
            "SELECT at FROM operator_acts WHERE act = 'decide-dispute'"
        )
    assert rows == [(REAL_NOW,)]
