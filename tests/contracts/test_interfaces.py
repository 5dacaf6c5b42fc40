"""What the simulated chain deploys is what our bindings were made for."""

import subprocess

from tests.contracts.test_contracts import CONTRACTS, installed, need_node


def test_the_interfaces_our_bindings_are_held_to_are_those_that_are_deployed() -> None:
    need_node()
    installed()
    told = subprocess.run(
        ["node", "interfaces.mjs"],
        cwd=CONTRACTS,
        capture_output=True,
        text=True,
        check=True,
    )
    kept = CONTRACTS.parent / "proto/vectors/interfaces.json"
    assert told.stdout == kept.read_text(), (
        "in contracts/: node interfaces.mjs > ../proto/vectors/interfaces.json,"
        " then look which bindings are to change"
    )
