"""What stacks.js made, as `contracts/stacks_vectors.mjs` prints it, in our own words."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from meterseal_aggregator.stacks.transaction import (
    MAINNET_CHAIN,
    TESTNET_CHAIN,
    AccountKey,
    Amount,
    Asset,
    Condition,
    ContractCall,
    Deploy,
    Mode,
    Moved,
    Network,
    OneCondition,
    Payload,
    Transaction,
    Transfer,
)
from meterseal_proto import clarity, recovery, sip018
from meterseal_proto.c32 import Principal, single
from meterseal_proto.clarity import Value, decode, encode

Told = dict[str, Any]
"""JSON of the script's own shape."""

NETWORKS = {"mainnet": MAINNET_CHAIN, "testnet": TESTNET_CHAIN}


def value(told: Told) -> Value:
    """Return the value that was described."""
    ((kind, what),) = told.items()
    return _VALUES[kind](what)


_VALUES: Final[Mapping[str, Callable[[Any], Value]]] = {
    "int": lambda text: clarity.Int(int(text)),
    "uint": lambda text: clarity.UInt(int(text)),
    "bool": clarity.Bool,
    "buffer": lambda digits: clarity.Buffer(bytes.fromhex(digits)),
    "ascii": clarity.Ascii,
    "utf8": clarity.Utf8,
    "principal": Principal.parse,
    "optional": lambda of: clarity.Optional(None if of is None else value(of)),
    "ok": lambda of: clarity.Ok(value(of)),
    "err": lambda of: clarity.Err(value(of)),
    "list": lambda items: clarity.List(tuple(map(value, items))),
    "tuple": lambda of: clarity.Tuple({name: value(one) for name, one in of.items()}),
}


def transaction(told: Told) -> Transaction:
    """Return the transaction that was described, unsigned."""
    return Transaction(
        Network.of(NETWORKS[told["network"]]),
        int(told["nonce"]),
        int(told["fee"]),
        _payload(told),
        [_condition(one) for one in told["conditions"]],
        Mode(told["mode"]),
    )


def _payload(told: Told) -> Payload:
    if "contract" in told:
        arguments = tuple(map(value, told["arguments"]))
        where = Principal.parse(told["contract"])
        return ContractCall(where, told["function"], arguments)
    if "to" in told:
        memo = told["memo"].encode()  # the library takes a memo as text
        return Transfer(Principal.parse(told["to"]), int(told["amount"]), memo)
    return Deploy(told["deploy"], told["source"], told["version"])


def _condition(told: Told) -> Condition | OneCondition:
    who = None if told["who"] == "origin" else Principal.parse(told["who"])
    asset = _asset(told["asset"]) if "asset" in told else None
    if "id" in told:
        assert asset is not None
        return OneCondition(who, Moved(told["how"]), asset, value(told["id"]))
    return Condition(who, Amount(told["how"]), int(told["amount"]), asset)


def _asset(text: str) -> Asset:
    contract, _, name = text.partition("::")
    return Asset(Principal.parse(contract), name)


def agree(found: Told) -> int:
    """Assert that ours are the bytes of everything in `found`; returns how many."""
    for told in found["addresses"]:
        key = AccountKey(bytes.fromhex(told["key"]))
        assert key.public.hex() == told["public"]
        for network, chain in NETWORKS.items():
            assert key.address(Network.of(chain)).text() == told[network]
        assert single(key.public, mainnet=True).text() == told["mainnet"]
    for told in found["values"]:
        raw, made = bytes.fromhex(told["hex"]), value(told["value"])
        assert encode(made) == raw
        assert decode(raw) == made
    for told in found["messages"]:
        domain = sip018.domain_hash("meterseal", "1.0.0", told["chain"])
        digest = sip018.digest(domain, encode(value(told["message"])))
        assert digest.hex() == told["digest"]
        signature, odd = recovery.sign(bytes.fromhex(told["key"]), digest)
        assert (signature + bytes((odd,))).hex() == told["signature"]
    for told in found["transactions"]:
        signed = transaction(told).signed(AccountKey(bytes.fromhex(told["key"])))
        assert (signed.raw.hex(), signed.txid) == (told["raw"], told["txid"])
    return sum(len(rows) for rows in found.values() if isinstance(rows, list))
