"""What is asked before a call is what the contracts themselves ask."""

import re
from pathlib import Path

from meterseal_aggregator.stacks.outbox.accounts import ChainRole
from meterseal_aggregator.stacks.outbox.guards import GUARDS, Guard

CONTRACTS = Path(__file__).parents[2] / "contracts"
ASKS = {
    r"\.energy-oracle is-oracle contract-caller\) ERR": ChainRole.ORACLE,
    r"asserts! \(is-oracle contract-caller\) ERR": ChainRole.ORACLE,
    r"asserts! \(is-registrar\) ERR": ChainRole.REGISTRAR,
    r'asserts! \(contract-call\? \.roles has-role "operator"': ChainRole.OPERATOR,
    r"map-get\? certifiers contract-caller\) ERR": ChainRole.CERTIFIER,
}
RESTS = r"asserts! \(contract-call\? \.roles is-running\)"


def asked() -> dict[str, Guard]:
    """Read from the sources which role each public function wants, and whether it rests."""
    found = {}
    for path in CONTRACTS.glob("*.clar"):
        code = re.sub(r";.*", "", path.read_text())
        for part in re.split(r"\n\(define-", code):
            named = re.match(r"public \(([a-z0-9-]+)", part)
            for pattern, role in ASKS.items():
                if named and re.search(pattern, part):
                    rests = re.search(RESTS, part) is not None
                    found[f"{path.stem}.{named[1]}"] = Guard(role, rests)
    return found


def test_the_guards_are_those_of_the_contracts() -> None:
    assert asked() == GUARDS
