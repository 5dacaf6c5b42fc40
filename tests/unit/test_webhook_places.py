"""A webhook leads nowhere where an address carries a private one inside it."""

import pytest

from meterseal_aggregator.notices.outlets.places import is_public


@pytest.mark.parametrize(
    "address",
    [
        "64:ff9b:1::a00:1",
        "64:ff9b::7f00:1",
        "::7f00:1",
        "::127.0.0.1",
        "::ffff:0:7f00:1",
        "::ffff:127.0.0.1",
        "fec0::1",
        "2002:7f00:1::",
    ],
)
def test_an_address_that_leads_to_another_is_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700:4700::1111"])
def test_an_address_of_the_public_network_is(address: str) -> None:
    assert is_public(address)
