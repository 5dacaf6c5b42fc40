"""Laws of the two rails: whatever members, chain and power cuts do, every Wh is on one.

Homes export, correct, withdraw both ways, claim, sell, retire and deposit; the chain
refuses, pauses and is heard late; the process ends before and after any commit and begins
again. At every moment what is on the chain is no more than what left the ledger for it,
and in the end the ledger, the chain and the plain sum of what was exported agree.

Seen to fail: with a mint that arrives whole although a debt was kept; with a refused part
that is not given back; with a burned Wh that does not come home; with a wish that starts
at the register's first slot again; without reversals.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meterseal_aggregator.stacks.withdrawals.model import NotMade, State, Way, Wish
from tests.support.edits import edit_span
from tests.support.energychain import Refused
from tests.support.mortal import PowerCut
from tests.support.street import BEGIN, STEP
from tests.support.withdrawing import LATER, Street, open_street, owner

WAYS = (Way.DIRECT, Way.DIRECT, None)


@dataclass(frozen=True)
class Act:
    """Something home `who` or the chain does; `cut` is the step at which the power goes."""

    kind: str
    who: int
    number: int
    cut: int | None


KINDS = (
    *(
        "export",
        "correct",
        "edit",
        "withdraw",
        "withdraw",
        "through",
        "settle",
        "work",
        "mine",
    ),
    *("hear", "claim", "claim", "sell", "short", "short", "retire", "deposit"),
    *("doubt", "pause"),
)
ACTS = st.lists(
    st.builds(
        Act,
        st.sampled_from(KINDS),
        st.integers(0, 1),
        st.integers(0, 60),
        st.none() | st.integers(0, 5),
    ),
    min_size=15,
    max_size=35,
)
BEFORE = (30, 7, 22, 60, 1)
"""What each home exported when the history begins."""


class History:
    """A street, and beside it the plain count of what each slot is worth."""

    def __init__(self, street: Street) -> None:
        self.street = street
        self.slots: list[list[int]] = [[], []]
        self.edits: dict[tuple[int, int], int] = {}

    async def begin(self) -> None:
        for who in (0, 1):
            self.slots[who].extend(BEFORE)
            await self.street.credit(who, *BEFORE)

    async def do(self, act: Act) -> None:
        street, who, number = self.street, act.who, act.number
        match act.kind:
            case "export":
                self.slots[who].append(number)
                await street.credit(who, number)
            case "correct" | "edit":
                await self._correct(act)
            case "doubt":
                street.chain.uncertified ^= {owner(who)}
            case "pause":
                street.chain.paused = not street.chain.paused
            case "settle":
                await street.come_through()
            case "short":
                await self._short(who, number)
            case "claim" | "sell" | "retire" | "deposit":
                await self._on_chain(act)
            case _:
                await self._here(act)

    async def _correct(self, act: Act) -> None:
        """Let the device seal a slot anew, or an operator say what it was."""
        street, who, wh = self.street, act.who, act.number // 2
        slot = act.number % len(self.slots[who])
        if act.kind == "correct":
            self.slots[who][slot] = wh
            await street.revise(who, slot, wh)
            return
        self.edits[who, slot] = wh
        span = BEGIN + STEP * slot, BEGIN + STEP * (slot + 1)
        await edit_span(street.database, street.homes[who].meter, span, wh, now=LATER)
        await street.mint()

    async def _short(self, who: int, number: int) -> None:
        """Sell all there, and then be corrected: the chain is owed what it cannot burn."""
        me, street = owner(who), self.street
        if held := street.chain.balances.get(me, 0):
            street.chain.transfer(held, me, owner(1 - who), street.txid())
        slot = number % len(self.slots[who])
        self.slots[who][slot] = number % 3
        await street.revise(who, slot, number % 3)
        await street.come_through()
        self.slots[who].extend((60, 20, 10, 10))
        await street.credit(who, 60, 20, 10, 10)

    async def _here(self, act: Act) -> None:
        street, number = self.street, act.number
        if act.kind == "withdraw":
            wish = street.wish(act.who, 10 + 2 * number, WAYS[number % 3])
            await self.until_done(act, lambda: self._withdraw(wish))
        if act.kind in ("work", "through"):
            await self.until_done(act, street.work)
        if act.kind in ("mine", "through"):
            await street.chain.run(street.database, most=1 + number % 4)
        if act.kind in ("hear", "through"):
            await self.until_done(act, lambda: street.hear(1 + number % 4))

    async def until_done(self, act: Act, deed: Callable[[], Awaitable[object]]) -> None:
        """Do it with the power going once, then again as who began it would."""
        self.street.fuse.left = act.cut
        try:
            await deed()
        except PowerCut:
            await deed()
        finally:
            self.street.fuse.left = None

    async def _withdraw(self, wish: Wish) -> None:
        try:
            await self.street.grant(wish)
        except NotMade:
            pass

    async def _on_chain(self, act: Act) -> None:
        street, me = self.street, owner(act.who)
        held = street.chain.balances.get(me, 0)
        wh = min(held, 1 + act.number)
        try:
            if act.kind == "claim":
                await self._claim(act)
            elif act.kind == "sell" and wh:
                street.chain.transfer(wh, me, owner(1 - act.who), street.txid())
            elif act.kind == "retire" and wh:
                street.chain.retire(me, wh, bytes(32), street.txid())
            elif act.kind == "deposit" and wh:
                name = await street.open_deposit(act.who)
                street.chain.retire(me, wh, name, street.txid())
        except Refused:
            pass

    async def _claim(self, act: Act) -> None:
        async with self.street.database.reading() as tx:
            rows = await tx.rows(
                "SELECT withdrawal_id FROM withdrawn_parts WHERE leaf IS NOT NULL"
            )
        if rows:
            await self.street.claim(rows[act.number % len(rows)][0])

    async def holds_now(self) -> None:
        """No Wh is on both rails, and none of it in neither book."""
        leaving, energy = await self.street.on_chain()
        assert self.street.chain.supply <= leaving + energy
        bad = [one for one in await self.street.audit() if not one.ok]
        assert not bad, bad

    async def holds_in_the_end(self) -> None:
        """All was heard: both rails together are what was exported, to the Wh."""
        street = self.street
        street.chain.paused = False
        await street.come_through()
        await street.is_well()
        leaving, energy = await street.on_chain()
        assert energy == street.chain.supply
        open_wh = sum([await self._open(who) for who in (0, 1)])
        assert leaving == open_wh
        held = [await street.held(f"producer:{who + 1}") for who in (0, 1)]
        owed = [await street.owed(who + 1) for who in (0, 1)]
        used = await street.held(f"retired:{bytes(32).hex()}")
        due = sum(
            min(wh, self.edits.get((who, number), wh))
            for who in (0, 1)
            for number, wh in enumerate(self.slots[who])
        )
        assert sum(held) - sum(owed) + leaving + energy + used == due

    async def nothing_untrue_there(self) -> None:
        """No slot stands on the chain for more than device and operator say it is worth."""
        async with self.street.database.reading() as tx:
            rows = await tx.rows(
                "SELECT mint_id, sum(posted_wh) FROM (SELECT mint_id, posted_wh"
                " FROM credits UNION ALL SELECT mint_id, posted_wh FROM edit_reversals)"
                " GROUP BY mint_id"
            )
        worth: dict[bytes, int] = dict(rows)
        for mint_id, issued in self.street.chain.issued.items():
            assert issued.amount - issued.reversed <= worth[mint_id]

    async def _open(self, who: int) -> int:
        async with self.street.database.reading() as tx:
            rows = await tx.rows(
                "SELECT p.withdrawal_id FROM withdrawn_parts p JOIN withdrawals w"
                " ON w.id = p.withdrawal_id WHERE w.member_id = ? GROUP BY 1",
                (who + 1,),
            )
        total = 0
        for (withdrawal,) in rows:
            for part in await self.street.parts(withdrawal):
                total += part.share.wh if part.state is State.LEAVING else 0
        return total


async def _live(acts: Sequence[Act]) -> None:
    async with open_street(None) as street:
        history = History(street)
        await history.begin()
        for act in acts:
            await history.do(act)
            await history.holds_now()
        await history.holds_in_the_end()
        await history.nothing_untrue_there()


@pytest.mark.deep
@given(ACTS)
@settings(max_examples=60, deadline=None)
def test_every_wh_is_on_one_rail_whatever_happens_in_whatever_order(
    acts: list[Act],
) -> None:
    asyncio.run(_live(acts))
