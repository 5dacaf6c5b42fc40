"""Laws of what is owed: whatever is billed, paid, late, disputed, corrected or agreed.

After every step arrears are what open bills ask, nothing is below zero, no fee is on what is
disputed, each bill has at most one fee and one reward, and money neither comes nor goes: what
members hold, what pays their bills and what the utility was given add up to what came in.
In whichever order the payments of a day come, the same is owed at its end. The power may go
before a payment or after it, and the wish is asked again under its key.

Seen to fail: with a payment beyond what a bill asks; with a key forgotten; with a fee on the
disputed part, in a plan that is kept, or once more after a correction; with a reward for a
late payer, or a second one for a bill in place of another; with a plan that forgets what was
paid.
"""

import asyncio
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from meterseal_aggregator.billing.model import Act, BillAct, BillState, Refused
from meterseal_aggregator.billing.receivables import plans
from meterseal_aggregator.billing.receivables.audit import findings
from meterseal_aggregator.billing.receivables.duty import run_batch
from meterseal_aggregator.billing.receivables.model import Wish
from meterseal_aggregator.billing.receivables.pay import pay
from meterseal_aggregator.billing.receivables.plans import Instalment, PlanState, Terms
from meterseal_aggregator.billing.statements.store import act, open_of, standings
from meterseal_aggregator.ledger import check as ledger_check
from meterseal_aggregator.ledger import store as ledger
from meterseal_aggregator.ledger.accounts import CASH, REWARD_POOL, arrears, user
from meterseal_aggregator.ledger.assets import declare
from meterseal_aggregator.ledger.model import Transfer
from meterseal_aggregator.market.model import transfer_id
from meterseal_aggregator.storage.database import Transaction
from meterseal_aggregator.storage.migrate import migrate
from tests.support.billed import (
    BY,
    CENT,
    DAY,
    MSU,
    XTS,
    Household,
    a_household,
    billed,
    corrected,
)
from tests.support.marketplace import NOW
from tests.support.mortal import Fuse, PowerCut
from tests.support.quickdatabase import QuickDatabase

PAID_IN = 4_000
FEES = "SELECT bill_id, base, amount FROM late_fees"
REWARDS = "SELECT bill_id FROM rewards"
PLANNED = (
    "SELECT i.bill_id FROM instalment_bills i JOIN instalment_plans p"
    " ON p.id = i.plan_id AND p.state = 'open'"
)
PLACES = "SELECT id, replaces_id FROM bills ORDER BY id"
KINDS = (
    *("bill", "bill", "pay", "pay", "pay", "name", "again"),
    *("day", "week", "month", "dispute", "resolve", "correct", "plan"),
)


@dataclass(frozen=True)
class Step:
    """Something that happens: to whom, with some number; `cut` is where the power goes."""

    kind: str
    who: int
    number: int
    cut: int | None


STEPS = st.lists(
    st.builds(
        Step,
        st.sampled_from(KINDS),
        st.integers(0, 1),
        st.integers(1, 1_500),
        st.none() | st.integers(0, 1),
    ),
    max_size=15,
)


def _told(*said: str) -> tuple[Step, ...]:
    """Steps of the first home, each as "kind number"."""
    pairs = [one.partition(" ") for one in said]
    return tuple(Step(kind, 0, int(number or 1), None) for kind, _, number in pairs)


BEGINNINGS = (
    (),
    _told("bill 1000", "dispute 300", "month", "week", "correct 900", "month"),
    _told("bill 500", "pay 500", "correct 900", "pay 1500"),
    _told("bill 900", "plan", "pay 400", "week", *["day"] * 4, "week"),
    _told("bill 900", "plan", "pay 100", "week", *["day"] * 4, "month"),
)
"""So that fees, rewards and plans, kept and broken, are in every run of the law."""


@dataclass
class Street:
    """Two homes, their money and their bills, as time goes on."""

    db: QuickDatabase
    homes: list[Household]
    now: int = NOW
    asked: list[Wish] = field(default_factory=list)
    bills: list[tuple[int, Household]] = field(default_factory=list)

    async def do(self, step: Step) -> None:
        """Do a step; where the power goes on the way, do it again."""
        self.now += 1
        if step.kind in ("day", "week", "month"):
            self.now += {"day": 1, "week": 7, "month": 30}[step.kind] * DAY
            await self._work()
            return
        home = self.homes[step.who]
        wish = self._wish(step, home)
        if step.kind in ("pay", "name", "again"):
            self.db.fuse.left = step.cut
        try:
            await self._once(step, home, wish)
        except PowerCut:
            await self._once(step, home, wish)
        finally:
            self.db.fuse.left = None

    def _wish(self, step: Step, home: Household) -> Wish:
        if step.kind == "again" and self.asked:
            return self.asked[step.number % len(self.asked)]
        own = [f"B-{bill}" for bill, whose in self.bills if whose is home]
        named = own[step.number % len(own)] if own and step.kind == "name" else ""
        key = f"k{len(self.asked)}"
        return Wish(home.member, step.number * CENT, key, XTS, named)

    async def _once(self, step: Step, home: Household, wish: Wish) -> None:
        try:
            async with self.db.transaction() as tx:
                made = await self._step(tx, step, home, wish)
        except Refused:
            return
        if made is not None:
            self.bills.append((made, home))
        if step.kind in ("pay", "name"):
            self.asked.append(wish)

    async def _step(
        self, tx: Transaction, step: Step, home: Household, wish: Wish
    ) -> int | None:
        if step.kind == "bill":
            return await billed(tx, home, step.number, issued_at=self.now)
        if step.kind in ("pay", "name", "again"):
            await pay(tx, wish, now=self.now)
            return None
        return await self._change(tx, step, home)

    async def _change(self, tx: Transaction, step: Step, home: Household) -> int | None:
        if step.kind == "correct":
            return await self._correct(tx, step, home)
        found = await open_of(tx, home.member)
        if not found:
            return None
        one = found[step.number % len(found)]
        amount = min(step.number * CENT, one.outstanding - one.disputed)
        if step.kind == "dispute" and amount:
            await act(tx, [BillAct(one.bill, Act.DISPUTED, amount, self.now, "x")])
        if step.kind == "resolve" and one.disputed:
            done = BillAct(one.bill, Act.RESOLVED, one.disputed, self.now, "x")
            await act(tx, [done])
        asked = sum(each.asked for each in found)
        if step.kind == "plan" and asked > 3:
            dates = tuple(
                Instalment(self.now + n * 10 * DAY, amount)
                for n, amount in ((1, asked // 3), (2, asked - asked // 3))
            )
            terms = Terms(home.member, XTS, dates, f"p{self.now}")
            await plans.agree(tx, terms, BY, now=self.now)
        return None

    async def _correct(
        self, tx: Transaction, step: Step, home: Household
    ) -> int | None:
        """Take a bill back, paid or not, and issue another in its place."""
        own = [bill for bill, whose in self.bills if whose is home]
        stand = (await standings(tx, own)).values()
        left = [one.bill for one in stand if one.state is not BillState.CORRECTED]
        if not left:
            return None
        return await corrected(tx, home, left[step.number % len(left)], step.number)

    async def _work(self) -> None:
        async with self.db.transaction() as tx:
            charged = {row[0] for row in await tx.rows(FEES)}
            before = await standings(tx, [bill for bill, _ in self.bills])
            runs = 0
            while await run_batch(tx, now=self.now):
                runs += 1
                assert runs < 200
            for bill, base, amount in await tx.rows(FEES):
                one = before[bill]
                undisputed = one.amount + one.given - one.paid - one.disputed
                assert bill in charged or 0 < amount <= base <= undisputed
                assert bill in charged or bill not in await self._planned(tx)
            await self._check_plans(tx)

    async def _planned(self, tx: Transaction) -> set[int]:
        """The bills of which a plan is open."""
        return {row[0] for row in await tx.rows(PLANNED)}

    async def _check_plans(self, tx: Transaction) -> None:
        """A plan is open or broken for what is still asked of its bills by its dates."""
        for plan in await plans.plans(tx, after=0, limit=99):
            rows = await tx.rows(
                "SELECT bill_id, amount, beside FROM instalment_bills WHERE plan_id = ?",
                (plan.id,),
            )
            stand = await standings(tx, [row[0] for row in rows])
            left = sum(
                min(amount, max(0, stand[bill].asked - beside))
                for bill, amount, beside in rows
            )
            later = sum(d.amount for d in plan.dates if d.due_at >= self.now)
            if plan.state is PlanState.OPEN:
                assert left <= later
            elif plan.ended_at == self.now:
                assert (left > later) == (plan.state is PlanState.BROKEN)

    async def owed(self) -> list[int]:
        async with self.db.reading() as tx:
            codes = [arrears(home.member) for home in self.homes]
            found = await ledger.balances(tx, XTS, codes)
            return [found[code].owed if code in found else 0 for code in codes]

    async def check(self) -> None:
        """Hold every law."""
        async with self.db.reading() as tx:
            for one in await findings(tx) + await ledger_check.findings(tx):
                assert one.ok, one.detail
            await self._check_bills(tx)
            found = await ledger.balances(
                tx, XTS, [user(home.member) for home in self.homes]
            )
            ((paid, given),) = await tx.rows(
                "SELECT coalesce(sum(given), 0), (SELECT coalesce(sum(t.amount), 0) FROM"
                " ledger_transfers t JOIN ledger_accounts c ON c.id = t.credit_id"
                " WHERE t.purpose = 'bill' AND c.code GLOB 'user:*') FROM bill_payments"
            )
            held = sum(account.held for account in found.values())
            assert held == 2 * PAID_IN * CENT - paid + given

    async def _check_bills(self, tx: Transaction) -> None:
        stand = await standings(tx, [bill for bill, _ in self.bills])
        for one in stand.values():
            if one.state is not BillState.CORRECTED:
                assert 0 <= one.disputed <= one.outstanding
        first: dict[int, int] = {}
        for bill, replaced in await tx.rows(PLACES):
            first[bill] = bill if replaced is None else first[replaced]
        for told in (FEES, REWARDS):
            once = [first[row[0]] for row in await tx.rows(told)]
            assert len(once) == len(set(once)), told
        rewarded = await tx.rows(
            "SELECT r.amount, b.amount, r.earned_at <= s.due_at FROM rewards r"
            " JOIN bills b ON b.id = r.bill_id"
            " JOIN bill_standings s ON s.bill_id = b.id"
        )
        for amount, of, in_time in rewarded:
            assert amount == of * 200 // 10_000
            assert in_time


async def a_street() -> Street:
    db = await QuickDatabase.in_memory()
    db.fuse = Fuse()
    await migrate(db)
    async with db.transaction() as tx:
        homes = [await a_household(tx, name, cents=PAID_IN) for name in ("Ada", "Bo")]
        await declare(tx, MSU, now=NOW)
        fill = Transfer(
            transfer_id("fill"), 400_000, CASH, REWARD_POOL, "payment", NOW, MSU
        )
        assert (await ledger.post(tx, [fill], now=NOW))[0].entered
    return Street(db, homes)


@settings(max_examples=50, deadline=None)
@given(st.sampled_from(BEGINNINGS), STEPS)
def test_whatever_happens_arrears_are_what_bills_ask(
    begin: tuple[Step, ...], steps: list[Step]
) -> None:
    async def live() -> None:
        street = await a_street()
        for step in (*begin, *steps):
            await street.do(step)
            await street.check()
        await street.db.close()

    asyncio.run(live())


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(1, 900), min_size=1, max_size=4),
    st.lists(st.integers(1, 900), min_size=1, max_size=5),
    st.randoms(use_true_random=False),
)
def test_the_order_of_a_days_payments_does_not_matter(
    bills: list[int], payments: list[int], chance: object
) -> None:
    async def owed(order: list[int]) -> tuple[list[int], int]:
        street = await a_street()
        for cents in bills:
            await street.do(Step("bill", 0, cents, None))
        street.now = NOW + 100
        for cents in order:
            await street.do(Step("pay", 0, cents, None))
        found = await street.owed()
        async with street.db.reading() as tx:
            ((paid,),) = await tx.rows(
                "SELECT coalesce(sum(amount), 0) FROM bill_payments"
            )
        await street.db.close()
        return found, paid

    async def compare() -> None:
        other = list(payments)
        chance.shuffle(other)  # type: ignore[attr-defined]
        assert await owed(payments) == await owed(other) == await owed(payments[::-1])

    asyncio.run(compare())
