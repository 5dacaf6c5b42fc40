"""kill -9 between every two steps of a real process: each deed is done once all the same."""

import asyncio
import shutil
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from meterseal_aggregator.ledger import store
from meterseal_aggregator.ledger.model import AccountCode, Transfer, TransferId
from meterseal_aggregator.stacks.outbox import deeds
from meterseal_aggregator.stacks.outbox.deeds import State, Wish
from meterseal_aggregator.stacks.transaction import ContractCall
from meterseal_proto.clarity import UInt
from tests.support.fakechain import DIARY, ORACLE, FakeChain
from tests.support.fakenode import FakeNode
from tests.support.forkedlives import life, program
from tests.support.killable_driver import ACCOUNT, MINE
from tests.support.migrated import open_migrated
from tests.support.nodeserver import Answer, Server

NOW = 1_800_000_000
LATER = NOW + 300
DEEDS = 2
FORK_AT = 2
"""Before this mining a fork takes two blocks away, and mempools forget."""
DRIVER = "killable_driver.py"
OURS = {"deeds", "attempts", "seen", "troubles"}


class World(Server):
    """A node over HTTP whose chain goes on when it is told to."""

    mined = 0

    async def _route(self, path: str, body: bytes) -> Answer:
        if path != MINE:
            return await super()._route(path, body)
        self.mined += 1
        if self.mined == FORK_AT:
            self.node.chain.reorg(2, forget=True)
        self.node.chain.mine(2)
        return 200, {}


@asynccontextmanager
async def world() -> AsyncIterator[World]:
    server = World(FakeNode(FakeChain()))
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    yield server
    listening.close()


async def prepared(path: Path) -> None:
    """Make a database with wishes in it, and something in the ledger."""
    database = await open_migrated(path)
    mint = Transfer(
        id=TransferId(bytes(32)), amount=700, purpose="mint", reference=b"slot",
        debit=AccountCode("meter:00ff:measured"), credit=AccountCode("producer:7"),
        effective_at=NOW,
    )  # fmt: skip
    async with database.transaction() as tx:
        await store.post(tx, [mint], now=NOW)
        for number in range(DEEDS):
            call = ContractCall(DIARY, "note", (UInt(number),))
            wish = Wish(ACCOUNT.address, f"note {number}", call)
            await deeds.want(tx, wish, now=NOW)
    await database.close()


def books(path: Path) -> dict[str, list[tuple[object, ...]]]:
    """Read every table that is not the outbox's."""
    with sqlite3.connect(path) as connection:
        told = "SELECT name FROM sqlite_master WHERE type = 'table'"
        names = {row[0] for row in connection.execute(told)} - OURS
        found = {
            name: connection.execute(f"SELECT * FROM {name}").fetchall()  # noqa: S608
            for name in names
        }
    connection.close()
    return found


def check(
    path: Path, chain: FakeChain, before: dict[str, list[tuple[object, ...]]]
) -> None:
    """Each deed is done once and known to be, nonces are whole, the books as they were."""
    assert sorted(chain.state.notes) == list(range(DEEDS))
    assert chain.state.nonces[ORACLE.address] == DEEDS
    with sqlite3.connect(path) as connection:
        rows = connection.execute(
            "SELECT d.state, d.nonce, s.txid, s.height FROM deeds d"
            " JOIN seen s ON s.deed_id = d.id ORDER BY d.nonce"
        ).fetchall()
    connection.close()
    assert [row[:2] for row in rows] == [
        (State.CONFIRMED.value, nonce) for nonce in range(DEEDS)
    ]
    for _, _, txid, height in rows:
        place = chain.where(txid)
        assert place is not None
        assert place[0] == height
    assert books(path) == before


async def test_a_kill_between_any_two_steps_leaves_each_deed_done_once(
    tmp_path: Path,
) -> None:
    template = tmp_path / "template.sqlite"
    await prepared(template)
    before = books(template)
    assert sum(map(len, before.values())) > 20
    killed, at = 0, 0
    async with program(DRIVER) as process:
        while True:
            path = tmp_path / f"{at}.sqlite"
            shutil.copyfile(template, path)
            async with world() as here:
                end = await life(process, path, here.url, at, NOW)
                if end == "killed":
                    killed += 1
                    again = await life(process, path, here.url, "never", LATER)
                    assert again.startswith("done"), again
                check(path, here.node.chain, before)
            if end != "killed":
                break
            at += 1
    assert end == f"done {at}"
    assert killed == at > 70
    print(f"{killed} kills, one at every step")
