"""Where secrets leave their wrapper: a list to be thought about, not added to lightly."""

import ast
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
ROOMS: Final = (
    "proto/meterseal_proto",
    "agent/meterseal_agent",
    "trustee/meterseal_trustee",
    "aggregator/meterseal_aggregator",
)
REVEALED: Final = {
    "bill.py": "the one amount of a bill",
    "rangeargument.py": "the last answers of a proof, under masks",
    "rangeprover.py": "the bits a value is made of, for vectors of zeros and ones",
    "schnorr.py": "a nonce and a key, for the constant-time base multiplication",
    "totals.py": "a value and its blinding under masks",
    "export.py": "the resident's own openings, for the resident",
}
"""Files that call `reveal`, and what they do it for: a new one is to be thought about."""


def reveals(path: Path) -> bool:
    """Tell whether a file takes a secret out of its wrapper."""
    return any(
        isinstance(node, ast.Attribute) and node.attr == "reveal"
        for node in ast.walk(ast.parse(path.read_text()))
    )


def test_secrets_are_revealed_in_these_places_only() -> None:
    files = [path for room in ROOMS for path in (ROOT / room).rglob("*.py")]
    found = {path.name for path in files if reveals(path)} - {"secret.py"}
    assert found == set(REVEALED)
