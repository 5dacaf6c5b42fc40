"""A wallet is given a request, bytes and words that say the same."""

import json
from pathlib import Path

import pytest

from meterseal_aggregator.stacks.calls import (
    audit,
    disputes,
    escrow,
    marketplace,
    oracle,
    payment,
)
from meterseal_aggregator.stacks.calls.arguments import LogPlace, Reading, Sealed
from meterseal_aggregator.stacks.calls.deployment import Call, Deployment
from meterseal_aggregator.stacks.transaction import (
    MAINNET_CHAIN,
    TESTNET_CHAIN,
    AccountKey,
    Asset,
    Network,
    Transaction,
)
from meterseal_aggregator.stacks.wallet.handout import MAX_SHOWN, handout, words
from meterseal_proto import recovery
from meterseal_proto.c32 import TESTNET_MULTI, Address, Principal
from meterseal_proto.clarity import Ok, UInt, decode
from meterseal_proto.seal import Header, OpenRecord
from meterseal_proto.units import MeterId, RegisterId

TEST = Network.of(TESTNET_CHAIN)
KEY = AccountKey(b"\x61" * 32)
ME = KEY.address(TEST)
AT = Deployment(Address.parse("ST1PQHQKV0RJXZFY1DGX8MNSNYVE3VGZJSRTPGZGM"))
SIGNATURE_AT = 1 + 4 + 1 + 1 + 20 + 8 + 8 + 1
"""Version, chain, authorisation, hash mode, signer, nonce, fee, key encoding (SIP-005)."""
COIN = Asset(Principal(AT.address, "coin"), "coin")
HEADER = Header(
    bytes(32), MeterId(bytes(16)), RegisterId(1), 900, 900, 1, 1, bytes(32), bytes(32)
)
CALLS = [
    oracle.anchor(AT, 4_711, b"\x11" * 32),
    payment.pay_bill(AT, 3, 1_000, COIN),
    escrow.cancel(AT, 9, None, 200_000),
    marketplace.buy_energy_from_user(AT, Principal(AT.address), 2_000, 204_000),
    disputes.decide_by_reading(
        AT, 1, Sealed(HEADER, bytes(65)), [Reading(OpenRecord(1, 2, 3, 14), bytes(16), ())],
        LogPlace(0, (), bytes(32)),
    ),
]  # fmt: skip


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.function)
def test_unsigned_bytes_and_a_signature_are_the_signed_transaction(call: Call) -> None:
    given = handout(call, ME, TEST, 7, 3_000)
    named = tuple(
        type(one)(one.who or Principal(ME), one.how, one.amount, one.asset)
        for one in call.conditions
    )
    wish = Transaction(TEST, 7, 3_000, call.payload, named)
    signature, odd = recovery.sign(KEY.secret, wish.sighash(ME.hash))
    before, after = given.unsigned[:SIGNATURE_AT], given.unsigned[SIGNATURE_AT + 65 :]
    assert given.unsigned[SIGNATURE_AT:].startswith(bytes(65))
    assert before + bytes((odd,)) + signature + after == wish.signed(KEY).raw


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.function)
def test_a_wallet_is_asked_in_hex_and_deny_mode(call: Call) -> None:
    asked = json.loads(json.dumps(handout(call, ME, TEST, 0, 1).request))
    assert asked["contract"] == call.contract.text()
    assert asked["functionName"] == call.function
    told = [decode(bytes.fromhex(one)) for one in asked["functionArgs"]]
    assert tuple(told) == call.payload.arguments
    assert asked["postConditionMode"] == "deny"
    assert asked["network"] == "testnet"
    assert len(asked["postConditions"]) == len(call.conditions)


def test_words_say_what_is_asked_and_what_may_move() -> None:
    assert words(CALLS[0]) == (
        f"call {AT.address.text()}.energy-oracle.anchor",
        "size: 4711",
        "root: 0x" + "11" * 32,
        "nothing may move but the fee",
    )
    assert words(CALLS[1])[-2:] == (
        f"asset: {AT.address.text()}.coin",
        f"you may send exactly 1000 coin of {AT.address.text()}.coin",
    )
    market = f"{AT.address.text()}.marketplace"
    assert words(CALLS[3])[-2:] == (
        "you may send at most 204000 micro-STX",
        f"{market} may send exactly 2000 energy of {AT.energy.contract.text()}",
    )
    assert words(CALLS[2])[2] == "asset: none"


def test_long_arguments_are_cut_and_texts_are_quoted() -> None:
    long = words(CALLS[4])
    assert max(map(len, long)) <= MAX_SHOWN + len("signature: ") + len("...")
    assert any(line.endswith("...") for line in long)
    call = audit.append_entry(AT, Principal(ME), "deed", bytes(32), 1)
    assert "action: 'deed'" in words(call)


def test_an_address_of_several_keys_or_another_network_is_refused() -> None:
    with pytest.raises(ValueError, match="several keys"):
        handout(CALLS[0], Address(TESTNET_MULTI, ME.hash), TEST, 0, 1)
    with pytest.raises(ValueError, match="another network"):
        handout(CALLS[0], ME, Network.of(MAINNET_CHAIN), 0, 1)


def test_an_answer_is_no_argument() -> None:
    call = Call(AT.contract("roles"), "grant", {"role": Ok(UInt(1))}, ())
    with pytest.raises(ValueError, match="no argument"):
        words(call)


def test_the_interfaces_have_no_argument_words_cannot_say() -> None:
    path = Path(__file__).parents[2] / "proto/vectors/interfaces.json"
    assert "response" not in path.read_text()
