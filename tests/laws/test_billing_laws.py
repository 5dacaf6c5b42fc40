"""Any history of usage told and told again, bills, corrections and payments keeps the books."""

import asyncio
import itertools
import random
import tempfile
from pathlib import Path
from typing import Final

from hypothesis import given, settings
from hypothesis import strategies as st

from meterseal_aggregator.billing.model import Act, BillAct, BillState
from meterseal_aggregator.billing.statements import affected, store
from meterseal_aggregator.ledger import check as ledger_check
from meterseal_aggregator.ledger import store as ledger
from meterseal_aggregator.ledger.accounts import CASH, FEE, arrears, user
from meterseal_aggregator.ledger.model import Transfer, TransferId
from meterseal_aggregator.storage.database import Transaction
from meterseal_proto.rating.statement import StatementKind
from meterseal_proto.units import EXPORT, IMPORT
from tests.support.billinghouse import (
    DAY,
    ENERGY,
    EUR,
    FED_IN,
    HOUR,
    NETWORK,
    Home,
    Utility,
    a_tariff,
    a_utility,
    at,
)
from tests.support.seed import WHOLE

HISTORIES: Final = 200 if WHOLE else 12
BEGIN, MONTHS = at(2026, 2), [at(2026, month) for month in range(2, 8)]
STEPS: Final = st.lists(
    st.sampled_from(("month", "day", "bill", "correct", "pay", "fee", "dispute")),
    min_size=6,
    max_size=22,
)


class History:
    """One utility with two homes, a clock, and a die."""

    def __init__(self, utility: Utility, homes: list[Home], seed: int) -> None:
        self.utility, self.homes = utility, homes
        self.draw = random.Random(seed)
        self.told = 0
        self.now = BEGIN
        self.count = 0

    async def step(self, name: str) -> None:
        self.now += self.draw.randrange(HOUR, 5 * DAY)
        home = self.draw.choice(self.homes)
        match name:
            case "month":
                await self.month()
            case "day":
                await self.day(home)
            case "bill":
                await self.utility.bill(now=self.now)
            case "correct":
                while await affected.run_once(self.utility.database, NETWORK, self.now):
                    pass
            case _:
                await self.act(name)

    async def month(self) -> None:
        """Let the next month be over and known."""
        if self.told + 1 == len(MONTHS):
            return
        begin, end = MONTHS[self.told : self.told + 2]
        self.told += 1
        self.now = max(self.now, end + 2 * DAY)
        for home in self.homes:
            for register in (IMPORT, EXPORT):
                wh = self.draw.choice((0, 10, 250, 1_000))
                await self.utility.use(home, begin, end, wh, register=register)

    async def day(self, home: Home) -> None:
        """Let some days that are known be known otherwise."""
        if not self.told:
            return
        month = self.draw.choice(MONTHS[: self.told])
        wh = self.draw.choice((0, 7, 500, 5_000))
        register = home.registers[self.draw.choice((IMPORT, EXPORT))]
        for day in self.draw.sample(range(1, 29), self.draw.choice((1, 9))):
            first = at(2026, 2 + MONTHS.index(month), day)
            await self.utility.tell_day(register, first, wh, known_at=self.now)

    async def act(self, name: str) -> None:
        """Pay, charge or dispute a part of some bill that asks for something."""
        async with self.utility.database.transaction() as tx:
            home = self.draw.choice(self.homes)
            owed = await store.open_of(tx, home.member)
            if not owed:
                return
            one = self.draw.choice(owed)
            self.count += 1
            amount = one.outstanding
            if self.draw.random() < 0.5:
                amount = self.draw.randint(1, amount)
            if name == "dispute":
                amount = min(amount, one.outstanding - one.disputed)
                if amount:
                    act = BillAct(one.bill, Act.DISPUTED, amount, self.now, "law")
                    await store.act(tx, [act])
                return
            await self.post(tx, home.member, amount, fee=name == "fee")
            kind = Act.LATE_FEE if name == "fee" else Act.PAID
            await store.act(tx, [BillAct(one.bill, kind, amount, self.now, "law")])

    async def post(
        self, tx: Transaction, member: int, amount: int, *, fee: bool
    ) -> None:
        legs = [(arrears(member), FEE)]
        if not fee:
            legs = [(CASH, user(member)), (user(member), arrears(member))]
        moves = [
            Transfer(
                TransferId((self.count * 2 + n).to_bytes(16)), amount, debit, credit,
                "law", self.now, EUR,
            )
            for n, (debit, credit) in enumerate(legs)
        ]  # fmt: skip
        results = await ledger.post(tx, moves, now=self.now)
        assert all(one.entered for one in results)

    async def check(self) -> None:
        """The audits hold, and arrears are what bills have outstanding."""
        assert await self.utility.faults() == []
        async with self.utility.database.reading() as tx:
            found = await ledger_check.findings(tx)
            assert [one.detail for one in found if not one.ok] == []
            bills = await store.bills(tx, limit=10_000)
            standings = await store.standings(tx, (one.id for one in bills))
        for home in self.homes:
            mine = [one for one in bills if one.member == home.member]
            owed = sum(
                standings[one.id].outstanding for one in mine if one.id in standings
            )
            assert await self.utility.balance(arrears(home.member)) == -owed
            in_force = [
                one
                for one in mine
                if one.kind is StatementKind.BILL
                and standings[one.id].state is not BillState.CORRECTED
            ]
            ends = [
                (one.begin, one.end)
                for one in sorted(in_force, key=lambda one: one.begin)
            ]
            assert ends == list(itertools.pairwise(MONTHS))[: len(ends)]


async def live(folder: Path, steps: list[str], seed: int) -> None:
    async with a_utility(folder, a_tariff(ENERGY, FED_IN)) as utility:
        homes = [
            await utility.supply(name, from_at=BEGIN, registers=(IMPORT, EXPORT))
            for name in ("Ada", "Ben")
        ]
        history = History(utility, homes, seed)
        for name in ("month", "bill", *steps, "bill", "correct"):
            await history.step(name)
        await history.check()


@settings(max_examples=HISTORIES, deadline=None)
@given(STEPS, st.integers(0, 1 << 32))
def test_bills_hold_through_any_history(steps: list[str], seed: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(live(Path(folder), steps, seed))
