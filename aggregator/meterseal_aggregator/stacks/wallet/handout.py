"""A call handed to a member's own wallet: the request, the unsigned bytes, and plain words.

    handout(call, account, TESTNET, nonce=7, fee=3000)

Members keep their keys. A browser's wallet is asked by SIP-030 (`stx_callContract`), any
other gets the unsigned transaction as hex or QR; both carry the same conditions in Deny
mode, so what the words say may move is all that can. Pure. This module must never be given
a key, nor describe anything but the bytes it hands out.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from meterseal_aggregator.stacks.calls.deployment import Call
from meterseal_aggregator.stacks.transaction import (
    SIGNATURE_BYTES,
    Amount,
    Condition,
    Network,
    Transaction,
)
from meterseal_proto.c32 import MAINNET_SINGLE, TESTNET_SINGLE, Address, Principal
from meterseal_proto.clarity import (
    Ascii,
    Bool,
    Buffer,
    Int,
    List,
    Optional,
    Tuple,
    UInt,
    Utf8,
    Value,
    encode,
)

MAX_SHOWN: Final = 120
"""Characters of an argument in words; whoever wants a month's proof reads the bytes."""
_HOW: Final[Mapping[Amount, str]] = {
    Amount.EQUAL: "exactly",
    Amount.MORE: "more than",
    Amount.AT_LEAST: "at least",
    Amount.LESS: "less than",
    Amount.AT_MOST: "at most",
}


@dataclass(frozen=True, slots=True)
class Handout:
    """What a wallet is given: SIP-030's parameters, the unsigned bytes, and the words."""

    request: Mapping[str, object]
    unsigned: bytes
    words: tuple[str, ...]


def handout(
    call: Call, account: Address, network: Network, nonce: int, fee: int
) -> Handout:
    """Return a call for the one-key account of a member; fee in micro-STX.

    ValueError for an address of several keys, or of another network.
    """
    if account.version not in (MAINNET_SINGLE, TESTNET_SINGLE):
        raise ValueError(
            "an address of several keys needs a wallet that knows them all"
        )
    if account.mainnet != network.mainnet:
        raise ValueError("an address of another network")
    me = Principal(account)
    # Wallets show an address; of "whoever signs" not every one can say who that is.
    named = tuple(replace(one, who=one.who or me) for one in call.conditions)
    mine = tuple(replace(o, who=None if o.who == me else o.who) for o in named)
    wish = Transaction(network, nonce, fee, call.payload, named)
    unsigned = wish.serialized(account.hash, bytes(SIGNATURE_BYTES))
    told = words(replace(call, conditions=mine))
    return Handout(_request(call, named, network), unsigned, told)


def words(call: Call) -> tuple[str, ...]:
    """Return what a call asks and may move, a line for each argument and condition."""
    asked = [f"call {call.contract.text()}.{call.function}"]
    asked += [f"{name}: {_shown(value)}" for name, value in call.arguments.items()]
    moves = [_moves(one) for one in call.conditions]
    return (*asked, *(moves or ["nothing may move but the fee"]))


def _request(
    call: Call, named: tuple[Condition, ...], network: Network
) -> Mapping[str, object]:
    return {
        "contract": call.contract.text(),
        "functionName": call.function,
        "functionArgs": [encode(value).hex() for value in call.arguments.values()],
        "network": "mainnet" if network.mainnet else "testnet",
        "postConditions": [one.consensus().hex() for one in named],
        "postConditionMode": "deny",
    }


def _moves(one: Condition) -> str:
    who = "you" if one.who is None else one.who.text()
    asset = one.asset
    what = "micro-STX" if asset is None else f"{asset.name} of {asset.contract.text()}"
    return f"{who} may send {_HOW[one.how]} {one.amount} {what}"


def _shown(value: Value) -> str:
    """Return a value as one would write it in Clarity, cut where it is long."""
    text = _spelled(value)
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}..."


def _spelled(value: Value) -> str:
    match value:
        case Buffer(raw):
            return f"0x{raw.hex()}"
        case Principal():
            return value.text()
        case Optional(inner):
            return "none" if inner is None else _spelled(inner)
        case Ascii(text) | Utf8(text):
            return repr(text)
        case UInt(plain) | Int(plain) | Bool(plain):
            return str(plain).lower()
        case _:
            return _spelled_parts(value)


def _spelled_parts(value: Value) -> str:
    match value:
        case List(items):
            return f"[{', '.join(map(_spelled, items))}]"
        case Tuple(fields):
            rows = (f"{name}: {_spelled(one)}" for name, one in fields.items())
            return f"{{{', '.join(rows)}}}"
        case _:
            raise ValueError("no argument of ours is an answer")
