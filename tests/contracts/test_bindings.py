"""The registry makes the digests that seal keys sign, and takes what they sign."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from meterseal_aggregator.stacks.calls import registry
from meterseal_aggregator.stacks.transaction import TESTNET_CHAIN
from meterseal_proto.binding import Binding, KeyChange
from meterseal_proto.c32 import Principal
from meterseal_proto.clarity import Bool, Buffer, Optional, UInt, Value
from meterseal_proto.keys import Algorithm, RootSecret
from tests.contracts.test_contracts import CONTRACTS
from tests.support.signing import ADMIN, HOME, Signers, signers

MADE: Final = json.loads((CONTRACTS.parent / "proto/vectors/binding.json").read_text())
NETWORK: Final = bytes.fromhex(MADE["network"])


@pytest.fixture
def walk(tmp_path: Path) -> Iterator[Signers]:
    with signers(tmp_path) as found:
        found.does(ADMIN, registry.set_network(found.at, NETWORK))
        yield found


def buffer(text: str) -> Buffer:
    return Buffer(bytes.fromhex(text))


def of_testnet(name: str) -> list[Any]:  # Any: JSON
    return [case for case in MADE[name] if case["chain_id"] == TESTNET_CHAIN]


def made_there(walk: Signers) -> None:
    """The contract's own digests and its check of signatures are the vectors'."""
    for case in of_testnet("bindings"):
        asked: list[Value] = [
            buffer(case["meter"]), Principal.parse(case["owner"]),
            UInt(int(case["valid_from"])),
        ]  # fmt: skip
        told = walk.reads("user-registry", "binding-hash", *asked)
        assert told == Optional(buffer(case["digest"]))
        assert taken(walk, case, case["signature"], case["key"])
        assert not taken(walk, case, MADE["bindings"][2]["signature"], case["key"])
    for case in of_testnet("changes"):
        asked = [buffer(case["meter"]), buffer(case["key"]), UInt(2)]
        told = walk.reads("user-registry", "rotation-hash", *asked)
        assert told == Optional(buffer(case["digest"]))
        assert taken(walk, case, case["signatures"][1], case["key"])
        assert not taken(walk, case, case["signatures"][0], case["key"])


def taken(walk: Signers, case: Any, signature: str, key: str) -> bool:  # Any: JSON
    asked = (buffer(case["digest"]), buffer(signature), buffer(key), Bool(False))
    said = walk.reads("seals", "is-signed", *asked)
    assert isinstance(said, Bool)
    return said.value


@pytest.mark.parametrize("algorithm", Algorithm)
def test_a_meter_is_bound_and_its_key_changed_by_what_seal_keys_sign(
    walk: Signers, algorithm: Algorithm
) -> None:
    made_there(walk)
    at, owner, meter = walk.at, walk.who(HOME), b"\x07" * 16
    old, new = (RootSecret(bytes(32)).seal_key(algorithm, n) for n in (0, 1))
    p256 = algorithm is Algorithm.P256
    walk.does(HOME, registry.register_consumer(at, b"\x33" * 32))
    walk.does(ADMIN, registry.verify_user(at, owner, verified=True))
    walk.does(HOME, registry.request_meter(at, meter, old.public.raw, 5, p256=p256))
    wish = Binding(NETWORK, meter, owner, 5)
    other = Binding(NETWORK, meter, walk.who(ADMIN), 5).sign(old, TESTNET_CHAIN)
    walk.refused(ADMIN, registry.bind_meter(at, meter, owner, other), 108)
    signed = wish.sign(old, TESTNET_CHAIN)
    walk.does(ADMIN, registry.bind_meter(at, meter, owner, signed))
    turn = KeyChange(NETWORK, meter, new.public, 9)
    both = turn.sign(old, TESTNET_CHAIN), turn.sign(new, TESTNET_CHAIN)
    rotate = registry.rotate_meter_key
    twisted = rotate(at, meter, new.public.raw, 9, both[::-1], p256=p256)
    walk.refused(HOME, twisted, 108)
    walk.does(HOME, rotate(at, meter, new.public.raw, 9, both, p256=p256))
