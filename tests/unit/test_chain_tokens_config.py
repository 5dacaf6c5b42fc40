"""Tokens that bills may be paid in: named for the ledger, found on the chain, or refused."""

import pytest
from pydantic import ValidationError

from meterseal_aggregator.config.chain import Stacks
from meterseal_aggregator.ledger.model import Asset

CONTRACTS = "ST1PQHQKV0RJXZFY1DGX8MNSNYVE3VGZJSRTPGZGM"
USDX = f"{CONTRACTS}.usdx::usdx-token"


def stacks(**tokens: str) -> Stacks:
    return Stacks.model_validate(
        {
            "nodes": ["http://127.0.0.1:20443"],
            "contracts": CONTRACTS,
            "key_file": "/etc/meterseal/oracle.key",
            "tokens": tokens,
        }
    )


def test_a_token_is_the_contract_and_its_name_there() -> None:
    (named,) = stacks(USDX=USDX).payable().items()
    assert named[0] == Asset("USDX")
    assert named[1].contract.text() == f"{CONTRACTS}.usdx"
    assert named[1].name == "usdx-token"
    assert not stacks().payable()


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("STX", USDX, "not STX"),
        ("usdx", USDX, "2 to 12 capitals"),
        ("USDX", f"{CONTRACTS}.usdx", "ADDRESS.contract::token"),
        ("USDX", f"{CONTRACTS}::usdx", "ADDRESS.contract::token"),
        ("USDX", "nobody.usdx::usdx", "address"),
    ],
)
def test_what_is_no_token_is_refused(name: str, text: str, why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        stacks(**{name: text})
