"""What the simulated chain deploys and prints is what our bindings and records are for."""

import os
import subprocess
import sys

import pytest

from tests.contracts.test_contracts import CONTRACTS, installed, need_node


@pytest.mark.parametrize(
    ("script", "kept"),
    [("interfaces.mjs", "interfaces.json"), ("printed.mjs", "printed.json")],
)
def test_the_vectors_our_python_is_held_to_are_what_the_chain_says_today(
    script: str, kept: str
) -> None:
    need_node()
    installed()
    told = subprocess.run(
        ["node", script],
        cwd=CONTRACTS,
        env=os.environ | {"METERSEAL_PYTHON": sys.executable},
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout == (CONTRACTS.parent / "proto/vectors" / kept).read_text(), (
        f"in contracts/: node {script} > ../proto/vectors/{kept}, then look what changed"
    )
