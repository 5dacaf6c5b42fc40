"""Laws of certification: whatever is asked, decided, revoked and minted in whatever order,
every Wh mints under a certificate in force then, and the trail alone rebuilds them all.

Seen to fail: with a revocation that may reach behind what was minted, with minting that
does not ask whose certificate it is, with a replacement that leaves no line in the trail.
"""

import asyncio
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meterseal_aggregator.credits.store import minted_until
from meterseal_aggregator.registry import certificates, check
from meterseal_aggregator.registry.certificates import Application, Grant, When
from meterseal_aggregator.registry.certification import (
    Certifier,
    Level,
    Limits,
    Source,
    State,
    Wish,
    replay,
)
from meterseal_aggregator.registry.model import Refused, Tenancy
from meterseal_aggregator.registry.write import begin_tenancy, end_tenancy
from meterseal_aggregator.storage.database import Database, Transaction
from tests.support.books import audit, mint, open_books
from tests.support.street import BEGIN, STEP, Home, settle_in

POINT, MEMBERS = 1, (1, 2)
LIMITS = Limits(1, 1 << 50, 0)
BOSS = Certifier("operator", Level.REVOKE)


@dataclass(frozen=True)
class Deed:
    """Something that happens; `number` picks which, `shift` when, in seconds from now."""

    kind: str
    number: int
    shift: int | None


KINDS = (
    *("tell", "tell", "live", "live", "live", "certify", "certify", "certify"),
    *("ask", "approve", "refuse", "revoke", "revoke", "grant", "move"),
)
"""To live is to tell and to mint; to certify is to ask, and to approve at once."""
DEEDS = st.lists(
    st.builds(
        Deed,
        st.sampled_from(KINDS),
        st.integers(0, 7),
        st.none() | st.integers(-6, 6).map(lambda n: n * STEP // 2),
    ),
    min_size=10,
    max_size=30,
)


@dataclass(frozen=True)
class Span:
    """A certificate as the plain count knows it; `member` None is whoever lives there."""

    member: int | None
    from_at: int
    to_at: int | None

    def holds(self, start: int, member: int) -> bool:
        ends = self.to_at is None or self.to_at >= start + STEP
        return self.from_at <= start and ends and self.member in (None, member)


class World:
    """One meter point that two members hold in turn, and what should have been minted."""

    def __init__(self, database: Database, home: Home) -> None:
        self.database = database
        self.home = home
        self.tenants = [(BEGIN - STEP, MEMBERS[0])]
        self.decided = BEGIN
        self.due: dict[int, tuple[int, int]] = {}

    @property
    def now(self) -> int:
        return self.home.end

    async def do(self, deed: Deed) -> None:
        if deed.kind in ("live", "certify"):
            whole = {"live": ("tell", "run"), "certify": ("ask", "approve")}
            for kind in whole[deed.kind]:
                await self.do(replace(deed, kind=kind))
            return
        if deed.kind == "run":
            await self.run()
            return
        try:
            async with self.database.transaction() as tx:
                await self._do(tx, deed)
        except Refused:
            pass

    async def _do(self, tx: Transaction, deed: Deed) -> None:
        wanted = None if deed.shift is None else self.now + deed.shift
        if deed.kind == "tell":
            await self.home.tell(tx, *range(1, 2 + deed.number))
        elif deed.kind == "ask":
            # Mostly whoever lives there; else somebody who is refused.
            there = self.tenants[-1][1]
            who = there if deed.number else 3 - there
            wish = Wish(who, POINT, 5_000, 1_000, Source.WIND)
            key = f"{self.now}-{deed.number}"
            await certificates.ask(tx, wish, key, LIMITS, now=self.now)
        elif deed.kind == "grant":
            begin = max(0, self.now if wanted is None else wanted)
            await certificates.grant(tx, Grant(POINT, 5_000, begin), "me", now=self.now)
        elif deed.kind == "move":
            await end_tenancy(tx, POINT, at=self.now)
            who = MEMBERS[len(self.tenants) % 2]
            await begin_tenancy(tx, Tenancy(who, POINT, self.now, None))
            self.tenants.append((self.now, who))
        else:
            await self._decide(tx, deed, wanted)

    async def _decide(self, tx: Transaction, deed: Deed, wanted: int | None) -> None:
        known = await certificates.applications(tx, after=0, limit=1_000)
        wants = State.CERTIFIED if deed.kind == "revoke" else State.APPLIED
        fit = [one for one in known if one.state is wants] or known
        if not fit:
            return
        # Mostly the newest, which is the one in force.
        one = fit[-1] if deed.number else fit[0]
        when = When(wanted, await minted_until(tx, POINT), self.now)
        if deed.kind == "approve":
            await certificates.approve(tx, one.id, BOSS, when)
        elif deed.kind == "revoke":
            await certificates.revoke(tx, one.id, BOSS, "so", when)
        else:
            await certificates.refuse(tx, one.id, BOSS, "so", now=self.now)

    async def run(self) -> None:
        """Mint, and count plainly what the certificates of this moment let through."""
        spans = [_span(one) for one in await self._applications()]
        for start, wh in self.home.told:
            if start < self.decided or not wh:
                continue
            who = [member for begin, member in self.tenants if begin <= start][-1]
            if any(span.holds(start, who) for span in spans if span):
                self.due[start] = (who, wh)
        self.decided = self.home.end
        await mint(self.database, self.now)

    async def _applications(self) -> list[Application]:
        async with self.database.reading() as tx:
            return await certificates.applications(tx, after=0, limit=1_000)

    async def check(self) -> None:
        async with self.database.reading() as tx:
            rows = await tx.rows("SELECT start, member_id, value_wh FROM credits")
            trail = await certificates.trail(tx, after=0, limit=10_000)
            found = await check.findings(tx)
        assert {row[0]: (row[1], row[2]) for row in rows} == self.due
        spans = [_span(one) for one in await self._applications()]
        for start, (member, _) in self.due.items():
            assert any(span.holds(start, member) for span in spans if span)
        told = {n: (at.state, at.from_at, at.to_at) for n, at in replay(trail).items()}
        kept = {
            one.id: (one.state, one.from_at, one.to_at)
            for one in await self._applications()
        }
        assert told == kept
        found += await audit(self.database)
        assert all(finding.ok for finding in found), found


def _span(one: Application) -> Span | None:
    if one.from_at is None:
        return None
    return Span(one.member, one.from_at, one.to_at)


async def _live(deeds: Sequence[Deed], folder: str) -> None:
    async with open_books(Path(folder) / "aggregator.sqlite") as database:
        home = await settle_in(database, MEMBERS[0], certified=False)
        await settle_in(database, MEMBERS[1], certified=False)
        world = World(database, home)
        for deed in deeds:
            await world.do(deed)
        await world.run()
        await world.check()


@pytest.mark.deep
@given(DEEDS)
@settings(max_examples=60, deadline=None)
def test_every_wh_mints_under_a_certificate_and_the_trail_rebuilds_them(
    deeds: list[Deed],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_live(deeds, folder))
