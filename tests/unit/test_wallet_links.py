"""Links of wallets, by themselves: an old database gets them, and no history breaks them."""

import asyncio
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from meterseal_aggregator.identity import check, store, wallets
from meterseal_aggregator.identity.model import MemberId
from meterseal_aggregator.identity.wallets import (
    MAX_WALLETS,
    Answer,
    Asker,
    Cause,
    NotLinked,
)
from meterseal_aggregator.storage.database import Database, Transaction
from meterseal_aggregator.storage.migrate import migrate
from meterseal_proto import curve
from meterseal_proto.c32 import Principal, single
from meterseal_proto.enrolment import Genesis
from meterseal_proto.wallet import LIFETIME_S, Challenge
from tests.support.migrated import open_before

NOW = 1_790_000_000
GENESIS = Genesis(0x80000000, "none", "log+01234567+AQ==")
NETWORK, CHAIN = GENESIS.network, GENESIS.chain_id
NOBODYS = 9_999
"""A wallet's number that is never reached."""
WALLETS = 22
"""The migration's number."""


def secret(n: int) -> bytes:
    return n.to_bytes(32)


def principal(n: int) -> Principal:
    return Principal(single(curve.backend().public_of(secret(n)), mainnet=False))


def asker(member: int) -> Asker:
    return Asker(MemberId(member), NETWORK, CHAIN)


async def linked(tx: Transaction, member: int, key: int, now: int = NOW) -> int:
    asked = await wallets.issue(tx, asker(member), principal(key), now=now)
    answer = Answer(asked.nonce, asked.sign(secret(key), CHAIN))
    return (await wallets.link(tx, asker(member), answer, now=now)).id


async def test_a_database_from_before_gets_wallets_and_keeps_its_members(
    tmp_path: Path,
) -> None:
    database = await open_before(tmp_path / "old.db", lambda n: n < WALLETS)
    try:
        async with database.transaction() as tx:
            ada = await store.add_member(tx, "Ada", now=NOW)
        assert "0022_wallets.sql" in await migrate(database)
        async with database.transaction() as tx:
            await linked(tx, ada, 1)
            assert await wallets.holder(tx, principal(1)) == ada
            assert (await store.member(tx, ada)).name == "Ada"
    finally:
        await database.close()


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database of three members."""
    path = tmp_path_factory.mktemp("wallets") / "template.db"

    async def make() -> None:
        database = await Database.open(f"sqlite:///{path}")
        try:
            await migrate(database)
            async with database.transaction() as tx:
                for name in ("Ada", "Bo", "Cleo"):
                    await store.add_member(tx, name, now=NOW)
        finally:
            await database.close()

    asyncio.run(make())
    return path


async def test_a_member_has_a_bounded_number_of_wallets(template: Path) -> None:
    database = await Database.open(f"sqlite:///{_copy(template)}")
    try:
        async with database.transaction() as tx:
            first = await linked(tx, 1, 1)
            for key in range(2, MAX_WALLETS + 1):
                await linked(tx, 1, key)
            with pytest.raises(NotLinked) as refused:
                await linked(tx, 1, 99)
            assert refused.value.cause is Cause.FULL
            assert await wallets.end(tx, MemberId(1), first, now=NOW)
            await linked(tx, 1, 98)
    finally:
        await database.close()


def _copy(template: Path) -> Path:
    copy = template.with_name("copy.db")
    for tail in ("", "-wal", "-shm"):
        Path(f"{copy}{tail}").unlink(missing_ok=True)
    shutil.copyfile(template, copy)
    return copy


MEDDLING = {
    "another member": "UPDATE wallets SET member_id = 2",
    "another account": "UPDATE wallets SET principal = 'ST' || principal",
    "another signature": "UPDATE wallets SET signature = zeroblob(65)",
    "another time": "UPDATE wallets SET from_at = from_at + 901",
    "no challenge": "UPDATE wallet_challenges SET answered_at = NULL",
    "a challenge more": "INSERT INTO wallet_challenges VALUES"
    " (zeroblob(32), 1, 'ST1R1DK09KR030JDQETCS45X91DES0C5SNCGSRJ6M', 1, 2, 2)",
    "both member ids": "UPDATE wallets SET member_id = 2;"
    "UPDATE wallet_challenges SET member_id = 2",
    "both times": "UPDATE wallets SET from_at = from_at + 901;"
    "UPDATE wallet_challenges SET answered_at = answered_at + 901",
}


@pytest.mark.parametrize("name", MEDDLING)
async def test_the_audit_names_a_link_that_was_meddled_with(
    template: Path, name: str
) -> None:
    database = await Database.open(f"sqlite:///{_copy(template)}")
    try:
        async with database.transaction() as tx:
            await linked(tx, 1, 1)
            (kept,) = await check.findings(tx, GENESIS)
            assert (kept.ok, kept.invariant) == (True, 11)
            (other,) = await check.findings(tx, replace(GENESIS, registry="x"))
            assert not other.ok, "it is of another network"
            for trigger in ("wallets_only_end", "wallet_challenges_are_answered_once"):
                await tx.rows(f"DROP TRIGGER {trigger}")
            for statement in MEDDLING[name].split(";"):
                await tx.rows(statement)
            (found,) = await check.findings(tx, GENESIS)
            assert not found.ok, found.detail
    finally:
        await database.close()


Deed = tuple[str, int, int, int]
"""What, by which member, with which key, and how many seconds later."""
DEEDS = st.lists(
    st.tuples(
        st.sampled_from(["ask", "answer", "end"]),
        st.integers(1, 2),
        st.integers(1, 2),
        st.sampled_from([0, 60, LIFETIME_S + 1]),
    ),
    max_size=16,
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(deeds=DEEDS)
def test_whatever_happens_a_wallet_is_whose_key_last_said_so(
    template: Path, deeds: list[Deed]
) -> None:
    asyncio.run(_live(_copy(template), deeds))


@dataclass
class Model:
    """What has to be: who holds which key by which link, and what was given out."""

    held: dict[int, tuple[int, int]] = field(default_factory=dict)
    asked: list[tuple[Challenge, int]] = field(default_factory=list)
    used: set[bytes] = field(default_factory=set)
    now: int = NOW

    async def ask(self, tx: Transaction, member: int, key: int) -> None:
        who = asker(member)
        given_out = await wallets.issue(tx, who, principal(key), now=self.now)
        self.asked.append((given_out, key))

    async def answer(self, tx: Transaction, member: int, key: int) -> None:
        """Answer the latest challenge, given to anybody, with the key `key`."""
        if not self.asked:
            return
        asked, right = self.asked[-1]
        fits = (asked.member, right) == (member, key) and self.now <= asked.expires
        fits = fits and asked.nonce not in self.used and right not in self.held
        answer = Answer(asked.nonce, asked.sign(secret(key), CHAIN))
        try:
            made = await wallets.link(tx, asker(member), answer, now=self.now)
        except NotLinked:
            assert not fits
            raise
        assert fits
        self.used.add(asked.nonce)
        self.held[right] = member, made.id

    async def end(self, tx: Transaction, member: int, key: int) -> None:
        holder, wallet = self.held.get(key, (0, NOBODYS))
        done = await wallets.end(tx, MemberId(member), wallet, now=self.now)
        assert done == (holder == member)
        if done:
            del self.held[key]


async def _live(path: Path, deeds: Sequence[Deed]) -> None:
    """Do the deeds beside a model of them."""
    database, model = await Database.open(f"sqlite:///{path}"), Model()
    acts = {"ask": model.ask, "answer": model.answer, "end": model.end}
    try:
        for what, member, key, later in deeds:
            model.now += later
            with suppress(NotLinked):
                async with database.transaction() as tx:
                    await acts[what](tx, member, key)
            async with database.reading() as tx:
                found = [await wallets.holder(tx, principal(n)) for n in (1, 2)]
            assert found == [model.held.get(n, (None, 0))[0] for n in (1, 2)]
    finally:
        await database.close()
