"""Trustees as programs of their own, on loopback behind mutual TLS."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import httpx2

from meterseal_proto.seedbox import TrusteeKey
from meterseal_proto.totals import SEEDS
from meterseal_trustee.keys import TrusteeSecrets
from tests.support.certificates import Authority
from tests.support.trustee_rig import three
from tests.support.trusteeship import (
    CHAIN_ID,
    DAY,
    NETWORK,
    House,
    Line,
    clock_at,
    context_of,
    roster_of,
)

LATER: Final = (DAY + 60) * 86_400
"""When the programs live: in the quarter of DAY, sixty days after it."""
STOP_WITHIN_S: Final = 60.0
_CODE: Final = "import sys; from meterseal_trustee.cli import main; sys.exit(main())"


def run(config: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run one command of the trustee's."""
    command = [sys.executable, "-c", _CODE, *words, "--config", str(config)]
    return subprocess.run(
        command, capture_output=True, text=True, env=_environment(), timeout=120,
        check=False,
    )  # fmt: skip


def _environment(at: int = LATER) -> dict[str, str]:
    own = {k: v for k, v in os.environ.items() if not k.startswith("METERSEAL")}
    return own | clock_at(at)


def write_config(
    folder: Path,
    number: int,
    keys: Sequence[TrusteeKey],
    tls: Path | None,
    network: bytes = NETWORK,
) -> Path:
    """Write trustee NUMBER's configuration into its folder."""
    path = folder / "trustee.toml"
    lines = [
        f"number = {number}",
        f'network = "{network.hex()}"',
        f"chain_id = {CHAIN_ID}",
        'countersign = "at-once"',
        f'data_dir = "{folder}"',
        f"trustees = {[key.text() for key in keys]}",
        "[web]",
        "port = 0",
    ]
    if tls is not None:
        lines += [
            "[web.tls]",
            f'certificate = "{tls / "server.pem"}"',
            f'key = "{tls / "server.key"}"',
            f'client_ca = "{tls / "ca.pem"}"',
        ]
    path.write_text("\n".join(lines) + "\n")
    return path


@dataclass(slots=True)
class Program:
    """A running `meterseal-trustee serve`."""

    config: Path
    key: TrusteeKey
    process: subprocess.Popen[str]
    url: str

    @classmethod
    def start(cls, config: Path, key: TrusteeKey, at: int = LATER) -> Self:
        command = [sys.executable, "-c", _CODE, "serve", "--config", str(config)]
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=_environment(at),
        )
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("ready: "), process.communicate(timeout=STOP_WITHIN_S)
        return cls(config, key, process, line.split()[1])

    def stop(self, *, kill: bool = False) -> str:
        """End it; returns what it logged, once."""
        if self.process.poll() is not None:
            return ""
        if kill:
            self.process.kill()
        else:
            self.process.terminate()
        return self.process.communicate(timeout=STOP_WITHIN_S)[1]


def start_three(
    folder: Path,
    keys: Sequence[TrusteeKey],
    network: bytes = NETWORK,
    at: int = LATER,
) -> list[Program]:
    """Start three trustees whose folders (0, 1, 2) are made, and who know `aggregator`."""
    authority = Authority(folder / "tls")
    authority.server()
    for name in ("aggregator", "agent-1"):
        authority.client(name)
    started = []
    for number in range(SEEDS):
        config = write_config(
            folder / str(number), number, keys, authority.directory, network
        )
        started.append(Program.start(config, keys[number], at))
    return started


def line_to(program: Program, folder: Path, name: str = "aggregator") -> Line:
    """A caller's line to a trustee, by the certificate of that name in `folder`/tls."""
    context = context_of(str(folder / "tls"), name)
    client = httpx2.AsyncClient(verify=context, timeout=120.0, trust_env=False)
    return Line(program.url, program.key, client)


@dataclass(slots=True)
class Street:
    """Running trustees who know a street; days are handed out, each to one test."""

    folder: Path
    programs: list[Program]
    secrets: list[TrusteeSecrets]
    last: int = DAY

    def a_day(self) -> int:
        self.last += 1
        return self.last

    @asynccontextmanager
    async def lines(self) -> AsyncIterator[list[Line]]:
        """The operator's line to each trustee."""
        async with AsyncExitStack() as stack:
            made = [line_to(program, self.folder) for program in self.programs]
            for line in made:
                await stack.enter_async_context(line.client)
            yield made


@contextmanager
def live_street(folder: Path, members: Sequence[House]) -> Iterator[Street]:
    """Three programs that have the seeds and the roster of one cell; audited at the end."""

    async def settled() -> list[TrusteeSecrets]:
        async with three(folder) as trustees:
            await trustees.settle(members, roster_of(members))
            return trustees.secrets

    with ThreadPoolExecutor(1) as other:  # a test may have a loop of its own
        secrets = other.submit(asyncio.run, settled()).result()
    programs = start_three(folder, [one.public for one in secrets])
    try:
        yield Street(folder, programs, secrets)
    finally:
        logs = [program.stop() for program in programs]
    assert not [log for log in logs if "Traceback" in log]
    for program in programs:
        audited = run(program.config, "audit")
        assert audited.returncode == 0, audited.stdout
