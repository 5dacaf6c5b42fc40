"""The members' token, earned by paying in time: calls of `utility-token`.

Amounts are millionths. This module must never move what is not its holder's.
"""

from meterseal_aggregator.stacks.calls import arguments
from meterseal_aggregator.stacks.calls.deployment import Call, Deployment
from meterseal_aggregator.stacks.calls.moves import exactly
from meterseal_proto.c32 import Principal
from meterseal_proto.clarity import UInt


def transfer(
    at: Deployment,
    amount: int,
    sender: Principal,
    recipient: Principal,
    memo: bytes | None,
) -> Call:
    """Move `amount` millionths from `sender` to `recipient`.

    By the sender (SIP-010). Errors: u1450 to u1454.
    """
    return at.call(
        "utility-token.transfer",
        arguments.transfer(amount, sender, recipient, memo),
        exactly(amount, at.utility, sender),
    )


def mint(at: Deployment, amount: int, recipient: Principal) -> Call:
    """Make `amount` millionths for `recipient`.

    By holders of the role "rewarder". Errors: u1450, u1451, u1452, u1455.
    """
    return at.call(
        "utility-token.mint", {"amount": UInt(amount), "recipient": recipient}
    )


def burn(at: Deployment, amount: int) -> Call:
    """Destroy `amount` millionths of the caller's own.

    By any holder. Errors: u1452, u1453.
    """
    return at.call(
        "utility-token.burn", {"amount": UInt(amount)}, exactly(amount, at.utility)
    )


def set_token_uri(at: Deployment, uri: str) -> Call:
    """Say where the token is described.

    By the role "operator". Errors: u1450, u1456.
    """
    return at.call("utility-token.set-token-uri", {"uri": arguments.uri(uri)})
