"""A market served by a real aggregator that is killed and started again while it trades.

    with a_served_market(tmp_path, buyers=50) as market:
        market.kill(); market.start()

The process owns its database; people, a certified meter point and money are written down
before it first starts. Slots begin an hour from now, by the real clock.
"""

import asyncio
import contextlib
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx2

from deploy.freeport import free_port
from meterseal_aggregator.identity import store as identity
from meterseal_aggregator.identity.model import MemberId, Role
from meterseal_aggregator.ledger.assets import declare as declare_asset
from meterseal_aggregator.storage.database import Database
from tests.support.marketplace import (
    XTS,
    certify,
    declare,
    fund,
    make_home,
    make_member,
    make_point,
)

PROGRAM: Final = (
    "import sys; from meterseal_aggregator.cli import main; sys.exit(main())"
)
PRICE: Final = 150_000
PURSE: Final = 50_000_000
AHEAD_S: Final = 3_600
"""How far from now the slots begin: longer than any of these tests."""
BACK_WITHIN_S: Final = 120.0
"""How long a client goes on asking while nobody answers."""

Json = Any  # an answer's body


@dataclass
class ServedMarket:
    """The process, who may ask it, and how often it was killed."""

    config: Path
    url: str
    tokens: dict[str, str] = field(default_factory=dict)
    members: dict[str, int] = field(default_factory=dict)
    point: int = 0
    kills: int = 0
    process: subprocess.Popen[str] | None = None

    @property
    def buyers(self) -> list[str]:
        """Everybody but the seller."""
        return [name for name in self.tokens if name != "sol"]

    def start(self) -> None:
        """Start the process and wait until it is ready."""
        environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("METERSEAL")
        }
        with (self.config.parent / "log").open("a") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", PROGRAM, "serve", "--config", str(self.config)],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=environment,
            )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line.startswith("ready: "), (self.config.parent / "log").read_text()

    def kill(self) -> None:
        """Kill the process, as a power cut would."""
        if self.process is not None:
            self.process.kill()
            self.process.communicate()
            self.process = None
            self.kills += 1

    async def kill_after(self, delay_s: float) -> None:
        """Let it work so long, kill it, and start it again."""
        await asyncio.sleep(delay_s)
        await asyncio.to_thread(self.kill)
        await asyncio.to_thread(self.start)

    def rows(self, sql: str, *params: object) -> list[tuple[Any, ...]]:
        """Read the database beside the process."""
        path = self.config.parent / "data" / "aggregator.sqlite"
        with contextlib.closing(
            sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        ) as db:
            return db.execute(sql, params).fetchall()


@dataclass
class Client:
    """One person's connection; an ask that nobody answered is sent again as it was."""

    market: ServedMarket
    who: str
    http: httpx2.AsyncClient
    sent_again: int = 0

    async def ask(
        self, method: str, path: str, body: object = None, key: str = ""
    ) -> tuple[int, Json]:
        """Ask until there is an answer; the same key each time."""
        headers = {"Authorization": f"Bearer {self.market.tokens[self.who]}"}
        if key:
            headers["Idempotency-Key"] = key
        until = time.monotonic() + BACK_WITHIN_S
        while True:
            try:
                answer = await self.http.request(
                    method, self.market.url + path, headers=headers, json=body
                )
            except httpx2.TransportError:
                assert time.monotonic() < until, f"nobody answers {path}"
                self.sent_again += 1
                await asyncio.sleep(0.05)
                continue
            if answer.status_code == 503:
                await asyncio.sleep(0.05)
                continue
            return answer.status_code, answer.json()

    async def post(
        self, path: str, body: object = None, key: str = ""
    ) -> tuple[int, Json]:
        """Post until there is an answer."""
        return await self.ask("POST", path, body, key)

    async def get(self, path: str) -> Json:
        """Get what must be there."""
        status, body = await self.ask("GET", path)
        assert status == 200, body
        return body


@asynccontextmanager
async def clients(
    market: ServedMarket, names: Sequence[str]
) -> AsyncIterator[list[Client]]:
    """Open a connection for each; several may be one person's."""
    async with contextlib.AsyncExitStack() as stack:
        made = []
        for name in names:
            http = await stack.enter_async_context(httpx2.AsyncClient(timeout=60))
            made.append(Client(market, name, http))
        yield made


@contextlib.contextmanager
def a_served_market(folder: Path, buyers: int) -> Iterator[ServedMarket]:
    """Serve a market with the seller `sol` and so many buyers with money."""
    config, port = folder / "aggregator.toml", free_port()
    config.write_text(
        f'network = "street"\ndata_dir = "{folder / "data"}"\ndemo = true\n'
        f"[web]\nport = {port}\n[mqtt]\nport = 0\n"
    )
    command = [sys.executable, "-c", PROGRAM, "migrate", "--config", str(config)]
    subprocess.run(command, check=True, capture_output=True)
    market = ServedMarket(config, f"http://127.0.0.1:{port}")
    asyncio.run(_furnish(market, folder / "data" / "aggregator.sqlite", buyers))
    market.start()
    try:
        yield market
    finally:
        market.kill()


def slots_ahead(count: int) -> list[int]:
    """The first seconds of so many slots from AHEAD_S on."""
    first = (int(time.time()) + AHEAD_S) // 900 * 900 + 900
    return [first + 900 * number for number in range(count)]


async def _furnish(market: ServedMarket, path: Path, buyers: int) -> None:
    database = await Database.open(f"sqlite:///{path}")
    now = int(time.time())
    names = ["sol", *(f"buyer-{number}" for number in range(buyers))]
    async with database.transaction() as tx:
        await declare_asset(tx, XTS, now=now)
        for name in names:
            member = await make_member(tx, name)
            token = identity.NewToken(
                Role.MEMBER, "test", now, now + 86_400, MemberId(member)
            )
            market.members[name] = member
            market.tokens[name] = await identity.make_token(tx, token)
            await fund(tx, member, PURSE, now=now)
        sol = market.members["sol"]
        market.point = await make_point(tx, sol, from_at=0)
        await make_home(tx, sol, market.point)
        await certify(tx, market.point, capacity_w=1_000_000, from_at=0)
        await declare(tx, sol, 100_000_000)
    await database.close()
