"""The technician's commands when a device died: split, replace, restore-history, for real.

The agent's own program, a simulated meter, and the aggregator's API on a port.
"""

import asyncio
import os
import re
import socket
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import uvicorn

from meterseal_agent.commissioning.shares import make_shares
from meterseal_agent.sampler import State
from meterseal_aggregator.app.webserver import WebBounds, WebServer
from meterseal_aggregator.registry.model import CodeKind
from meterseal_aggregator.translog import cosignatures
from meterseal_aggregator.translog import store as log
from meterseal_proto.checkpoint import parse_note
from meterseal_proto.clock import VARIABLE, ClockRate
from meterseal_proto.cosignature import CosignerKey, cosign
from meterseal_sim.serve import close_all, lines_of, open_all
from meterseal_sim.street import Plan, build
from tests.support.lost_device import (
    DAY_S,
    PINNED,
    STEP,
    WITNESS,
    WITNESS_NAME,
    Device,
    House,
    a_restoring_house,
)

WAIT_S = 120.0
SPEED = 1000.0
BOUNDS = WebBounds(64, 60)


@dataclass
class Site:
    """The house with its API on a port, a meter, and a clock that may be set."""

    house: House
    folder: Path
    url: str
    profile: str
    port: int = 0
    rate: ClockRate = field(default_factory=lambda: ClockRate(time.time(), 1.0))

    def now(self) -> float:
        return self.rate.at(time.time())

    def jump(self, at: float) -> None:
        """Let the network's time be `at`, and run fast from there."""
        real = time.time()
        self.rate = ClockRate((SPEED * real - at) / (SPEED - 1), SPEED)

    def config(self, name: str) -> Path:
        """Write a configuration of its own data_dir."""
        path = self.folder / f"{name}.toml"
        path.write_text(
            f'data_dir = "{self.folder / name}"\naggregator_url = "{self.url}"\n'
            f'zone = "Etc/UTC"\nwitness = "{PINNED.second}"\n'
            f'[[meters]]\nserial = "S1"\nprofile = "{self.profile}"\n'
            f'host = "127.0.0.1"\nport = {self.port}\ncapacity_w = 10000\n'
            f'step = {STEP}\nregisters = ["1-0:1.8.0"]\nmode = "committed"\n'
        )
        return path

    async def agent(self, config: Path, *command: str) -> tuple[int, str]:
        """Run one command of the agent to its end; returns status and output."""
        clock = f"{self.rate.epoch},{self.rate.speed}"
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "meterseal_agent.cli", *command),
            *("--config", str(config)),
            env=os.environ | {VARIABLE: clock},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            async with asyncio.timeout(WAIT_S):
                out, _ = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        return process.returncode or 0, out.decode()

    async def code(self, kind: CodeKind) -> str:
        return await self.house.registry.code(kind, expires_at=int(time.time()) + 600)

    async def tend(self) -> None:
        """Let the log grow and the witness see it, for ever."""
        while True:
            await self.witnessed()
            await asyncio.sleep(0.2)

    async def witnessed(self) -> None:
        house, key = (
            self.house,
            CosignerKey(WITNESS_NAME, WITNESS.public_key().public_bytes_raw()),
        )
        house.now = int(house.time())
        await house.work()
        async with house.registry.db.transaction() as tx:
            head = await log.latest(tx)
            if head is not None:
                body = parse_note(head.note).body
                line = cosign(body, WITNESS_NAME, WITNESS, house.now)
                await cosignatures.keep(tx, head, key, line)


@asynccontextmanager
async def _served(house: House) -> AsyncIterator[str]:
    config = uvicorn.Config(
        house.app, http="h11", ws="none", lifespan="off", log_config=None,
        access_log=False,
    )  # fmt: skip
    server = WebServer(config, BOUNDS)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        accepting = asyncio.create_task(server.accept(listening))
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            accepting.cancel()
            await asyncio.gather(accepting, return_exceptions=True)


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    plan = Plan(homes=1, seed=3, start=int(time.time()) // 3600 * 3600, days=10)
    (home,) = build(plan).homes
    async with a_restoring_house(tmp_path) as house, _served(house) as url:
        made = Site(house, tmp_path, url, home.profile.name)
        lines = lines_of([home], made.now, gateway=False)
        await open_all(lines, "127.0.0.1", 0)
        made.port = lines[0].port
        house.clock, house.real = made.now, time.time
        tending = asyncio.create_task(made.tend())
        try:
            yield made
        finally:
            tending.cancel()
            await asyncio.gather(tending, return_exceptions=True)
            await close_all(lines)


async def lived(site: Site, folder: Path) -> tuple[Device, int]:
    """Let an enrolled device live three days, 250 Wh an hour; returns what it showed last."""
    device = Device(site.house, folder)
    device.open()
    (start,) = device.enrolment.chains
    assert start.read is not None
    began, showed = start.read
    device.at = began
    device.shows = lambda at: showed + (at - began) // STEP * 250
    site.jump(began + 3 * DAY_S + DAY_S // 3)
    await device.live(began // DAY_S * DAY_S + 3 * DAY_S)
    end = device.chain.head.end
    return device, device.shows(end)


async def test_a_technician_brings_a_dead_device_back_by_two_shares_in_one_command(
    site: Site,
) -> None:
    first, shares = site.config("first"), site.folder / "shares"
    status, said = await site.agent(
        *(first, "enrol", "--code", await site.code(CodeKind.ENROLMENT)),
        *("--shares", str(shares)),
    )
    assert status == 0, said
    assert "the secret is split in three" in said
    device, showed = await lived(site, site.folder / "first")
    held, end = device.held(), device.chain.head.end
    assert len(held) == 3
    device.close()
    site.jump(end + DAY_S)
    second = site.config("second")
    two = [str(shares / f"share-{n}.txt") for n in (3, 1)]
    given = ("replace", "--code", await site.code(CodeKind.REPLACEMENT))
    status, said = await site.agent(
        second, *given, "--share", two[0], "--share", two[1], "--patience", "60"
    )
    assert status == 0, said
    assert "S1 1-0:1.8.0: 3 days restored" in said
    assert "nothing is lost in between" in said
    assert not re.search(r"\b250\b", said), "no usage is told"
    status, said = await site.agent(second, "restore-history")
    assert (status, "0 days restored" in said) == (0, True), said
    other = Device(site.house, site.folder / "second")
    other.open()
    assert other.held() == held
    (state,) = other.box.states().values()
    assert State.from_json(state) == State.begin(end, showed)
    other.close()
    await splits_again(site, second, two)


async def splits_again(site: Site, config: Path, two: list[str]) -> None:
    """Ask for a new set of shares, with and without showing an old one."""
    folder = site.folder / "again"
    status, said = await site.agent(config, "shares", "--folder", str(folder))
    assert (status, "show that you hold it" in said) == (1, True), said
    assert not folder.exists()
    status, said = await site.agent(
        *(config, "shares", "--folder", str(folder)),
        *("--share", two[0], "--share", two[1]),
    )
    assert status == 0, said
    old = Path(two[1]).read_text()
    assert (folder / "share-1.txt").read_text() != old, "another set"
    status, said = await site.agent(
        *(config, "shares", "--folder", str(site.folder / "more")),
        *("--share", two[0], "--share", str(folder / "share-1.txt")),
    )
    assert (status, "only shares of one set" in said) == (1, True), said


async def test_shares_of_another_device_are_refused_before_anything_is_kept(
    site: Site,
) -> None:
    status, said = await site.agent(
        site.config("first"), "enrol", "--code", await site.code(CodeKind.ENROLMENT)
    )
    assert status == 0, said
    given = []
    for share in make_shares(bytes(range(32)), "home-2", "street")[:2]:
        path = site.folder / f"strange-{share.number}"
        path.write_text(share.text())
        given += ["--share", str(path)]
    second, code = site.config("second"), await site.code(CodeKind.REPLACEMENT)
    status, said = await site.agent(second, "replace", "--code", code, *given)
    assert (status, "the shares are agent home-2's" in said) == (1, True), said
    assert not (site.folder / "second" / "enrolment.json").exists()


async def test_without_a_pinned_witness_nothing_is_restored_and_it_says_what_to_do(
    site: Site,
) -> None:
    config = site.config("first")
    status, said = await site.agent(
        config, "enrol", "--code", await site.code(CodeKind.ENROLMENT)
    )
    assert status == 0, said
    config.write_text(config.read_text().replace("witness =", "# witness ="))
    status, said = await site.agent(config, "restore-history")
    assert (status, "no witness is pinned" in said) == (1, True), said


async def test_another_mode_is_refused_by_agent_and_aggregator_with_what_to_do(
    site: Site,
) -> None:
    """A register's mode stays for as long as its enrolment: by run, and by replace."""
    config = site.config("first")
    status, said = await site.agent(
        config, "enrol", "--code", await site.code(CodeKind.ENROLMENT)
    )
    assert status == 0, said
    for old, new in (
        ('mode = "committed"\n', ""),
        ('mode = "committed"', 'mode = "committed"\nproof_bits = 32'),
    ):
        text = config.read_text()
        config.write_text(text.replace(old, new))
        status, said = await site.agent(config, "run")
        assert status == 1
        assert "was enrolled as 1-0:1.8.0 committed with 16 bits" in said
        assert "at the end of a billing period" in said
        other = site.folder / "other.toml"
        other.write_text(config.read_text().replace("/first", "/other"))
        code = await site.code(CodeKind.REPLACEMENT)
        status, said = await site.agent(other, "replace", "--code", code)
        assert (status, "modes as they were enrolled" in said) == (1, True), said
        config.write_text(text)
