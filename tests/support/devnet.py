"""The devnet of contracts/, in a process of its own, mining when it is told to."""

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from meterseal_aggregator.stacks.transaction import AccountKey

CONTRACTS = Path(__file__).parents[2] / "contracts"
TIME = 1_790_000_000
KEYS = """
import { accountsOf } from "./devnet/accounts.mjs";
import { readFileSync } from "node:fs";
const found = accountsOf(readFileSync("settings/Devnet.toml", "utf8"));
console.log(JSON.stringify(found.map((one) => one.key)));
"""


@dataclass(frozen=True)
class Devnet:
    """A running devnet: its address, and the published keys of its accounts."""

    url: str
    keys: tuple[AccountKey, ...]

    def mine(self, blocks: int = 0) -> None:
        """Mine what waits, then `blocks` empty blocks."""
        query = f"?n={blocks}" if blocks else ""
        request = Request(f"{self.url}/devnet/mine{query}", method="POST")  # noqa: S310
        with urlopen(request, timeout=60) as reply:  # noqa: S310
            reply.read()


@contextmanager
def running(folder: Path, time: int = TIME) -> Iterator[Devnet]:
    """Start a devnet with our contracts, which the first of its accounts published.

    Its clock shows `time` when it begins.
    """
    journal = str(folder / "devnet.jsonl")
    child = subprocess.Popen(
        [
            "node", "devnet/server.mjs", "--port", "0", "--journal", journal,
            "--time", str(time), "--block-ms", "0",
        ],
        cwd=CONTRACTS,
        stdout=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    try:
        assert child.stdout is not None
        first = child.stdout.readline()
        if "devnet at " not in first:
            pytest.fail(f"the devnet did not start: {first}")
        url = first.removeprefix("devnet at ").split(": ")[0]
        yield Devnet(url, _keys())
    finally:
        child.terminate()
        child.wait(30)
        if child.stdout is not None:
            child.stdout.close()


def _keys() -> tuple[AccountKey, ...]:
    command = ["node", "--input-type=module", "-e", KEYS]
    said = subprocess.check_output(command, cwd=CONTRACTS, env=os.environ, text=True)
    return tuple(AccountKey(bytes.fromhex(key)[:32]) for key in json.loads(said))
