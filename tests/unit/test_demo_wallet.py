"""The demo's wallet signs for the devnet alone, and only what it read and was told."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.demo_wallet import MAX_FEE, Deceived, DemoWallet, DevnetNode, NotTheDevnet
from deploy.unsigned import read_unsigned
from meterseal_aggregator.stacks.calls import escrow, payment, registry, token
from meterseal_aggregator.stacks.calls.deployment import Call, Deployment
from meterseal_aggregator.stacks.transaction import (
    MAINNET_CHAIN,
    SIGNATURE_BYTES,
    TESTNET_CHAIN,
    AccountKey,
    Asset,
    Mode,
    Network,
    Transaction,
)
from meterseal_aggregator.stacks.wallet.handout import Handout, handout
from meterseal_proto.c32 import Address, Principal
from meterseal_proto.clarity import UInt
from meterseal_proto.errors import Malformed
from meterseal_proto.wallet import Challenge
from tests.support.littledevnet import LittleDevnet, little_devnet

TEST = Network.of(TESTNET_CHAIN)
KEY = AccountKey(b"\x61" * 32)
ME = KEY.address(TEST)
OTHER = AccountKey(b"\x62" * 32).address(TEST)
AT = Deployment(Address.parse("ST1PQHQKV0RJXZFY1DGX8MNSNYVE3VGZJSRTPGZGM"))
COIN = Asset(Principal(AT.address, "coin"), "coin")
RETIRE = token.retire(AT, 1_000, b"\x33" * 32, 900, 1_800)
MOVE = token.transfer(AT, 100, Principal(ME), Principal(OTHER), b"for the tea")
CALLS = [
    RETIRE,
    MOVE,
    payment.pay_bill(AT, 3, 1_000, COIN),
    escrow.cancel(AT, 9, None, 5),
]
QUIET = registry.register_consumer(AT, bytes(32))
"""Moves nothing, so no condition says whose it is."""
Told = dict[str, Any]  # Any: JSON


def told(given_out: Handout) -> Told:
    """A handout as the API tells it."""
    return {
        "request": dict(given_out.request),
        "unsigned": given_out.unsigned.hex(),
        "words": list(given_out.words),
    }


def handed(call: Call, nonce: int = 7, fee: int = 3_000) -> Told:
    return told(handout(call, ME, TEST, nonce, fee))


@pytest.fixture(scope="module")
def house() -> Iterator[LittleDevnet]:
    with little_devnet() as found:
        yield found


@pytest.fixture
def wallet(house: LittleDevnet) -> DemoWallet:
    return DemoWallet(DevnetNode(house.url), KEY)


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.function)
def test_a_call_that_is_as_told_is_signed(wallet: DemoWallet, call: Call) -> None:
    named = tuple(replace(o, who=o.who or Principal(ME)) for o in call.conditions)
    wish = Transaction(TEST, 7, 3_000, call.payload, named)
    assert wallet.sign(handed(call)) == wish.signed(KEY)


def test_what_moves_of_ones_own_is_said_of_you() -> None:
    assert "you may send exactly 100 energy" in handed(MOVE)["words"][-1]


def swapped(name: str, value: object) -> Callable[[], Told]:
    return lambda: handed(RETIRE) | {name: value}


def other_bytes() -> Told:
    """Bytes that retire more than request and words say."""
    more = handed(token.retire(AT, 1_001, b"\x33" * 32, 900, 1_800))
    return handed(RETIRE) | {"unsigned": more["unsigned"]}


def other_move() -> Told:
    """Bytes under whose conditions more may move than the words say."""
    loose = replace(RETIRE, conditions=(replace(RETIRE.conditions[0], amount=9_999),))
    return handed(RETIRE) | {"unsigned": handed(loose)["unsigned"]}


def other_request() -> Told:
    request = dict(handed(RETIRE)["request"]) | {"postConditionMode": "allow"}
    return handed(RETIRE) | {"request": request}


def in_mode(
    mode: Mode, network: Network = TEST, fee: int = 3_000
) -> Callable[[], Told]:
    def make() -> Told:
        wish = Transaction(network, 7, fee, RETIRE.payload, (), mode)
        raw = wish.serialized(ME.hash, bytes(SIGNATURE_BYTES))
        return handed(replace(RETIRE, conditions=())) | {"unsigned": raw.hex()}

    return make


def unknown() -> Told:
    return handed(Call(AT.contract("energy-token"), "give-all", {}, ()))


def few() -> Told:
    return handed(Call(RETIRE.contract, "retire", {"amount": UInt(1)}, ()))


@pytest.mark.parametrize(
    "make",
    [
        other_bytes, other_move, other_request, unknown, few,
        swapped("words", ["nothing may move but the fee"]), swapped("words", None),
        swapped("request", {}), swapped("unsigned", "00"), swapped("unsigned", "zz"),
        swapped("unsigned", None), dict,
        lambda: told(handout(RETIRE, OTHER, TEST, 7, 3_000)),
        lambda: told(handout(QUIET, OTHER, TEST, 7, 3_000)),
        lambda: handed(RETIRE, fee=MAX_FEE + 1),
        in_mode(Mode.ALLOW), in_mode(Mode.ORIGINATOR),
        in_mode(Mode.DENY, Network.of(MAINNET_CHAIN)),
        in_mode(Mode.DENY, Network(0x80, 0x80000005, False)),
    ],
)  # fmt: skip
def test_what_is_not_as_told_is_not_signed(
    wallet: DemoWallet, make: Callable[[], Told]
) -> None:
    with pytest.raises(Deceived, match=r"."):
        wallet.sign(make())


@given(st.integers(0, 2_000), st.integers(1, 255), st.sampled_from(CALLS))
def test_any_other_byte_is_read_as_something_else_or_not_at_all(
    at: int, flip: int, call: Call
) -> None:
    raw = bytearray.fromhex(handed(call)["unsigned"])
    before = read_unsigned(bytes(raw))
    raw[at % len(raw)] ^= flip
    try:
        after = read_unsigned(bytes(raw))
    except (ValueError, Malformed):
        return
    assert after != before


@given(st.binary(max_size=300))
def test_noise_is_no_transaction(noise: bytes) -> None:
    with pytest.raises((ValueError, Malformed)):
        read_unsigned(noise)


def asked(principal: Address = ME) -> Told:
    made = Challenge(bytes(32), 7, Principal(principal), b"\x01" * 32, 1_790_000_000)
    return {
        "network": made.network.hex(), "member": 7, "principal": principal.text(),
        "nonce": made.nonce.hex(), "expires": made.expires,
        "message": made.message().hex(), "domain": made.domain(TESTNET_CHAIN).hex(),
    }  # fmt: skip


def test_a_challenge_for_this_account_is_signed(wallet: DemoWallet) -> None:
    made = Challenge(bytes(32), 7, Principal(ME), b"\x01" * 32, 1_790_000_000)
    signed = bytes.fromhex(wallet.answer(asked())["signature"])
    assert made.refusal(signed, TESTNET_CHAIN, made.expires) is None


@pytest.mark.parametrize(
    "told",
    [asked(OTHER), asked() | {"member": 8}, asked() | {"domain": asked()["message"]}],
    ids=["account", "member", "domain"],
)
def test_a_challenge_that_is_not_as_told_is_not_signed(
    wallet: DemoWallet, told: Told
) -> None:
    with pytest.raises(Deceived, match=r"."):
        wallet.answer(told)


@pytest.mark.parametrize(
    "url",
    ["http://192.0.2.7:20443", "https://127.0.0.1:1", "http://devnet.example:20443",
     "http://127.0.0.1:1", "127.0.0.1:20443"],
)  # fmt: skip
def test_only_the_devnet_of_this_machine_gets_a_wallet(url: str) -> None:
    with pytest.raises(NotTheDevnet, match=r"."):
        DevnetNode(url)


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("/extended", {"server_version": "stacks-blockchain-api v8.0.1"}),
        ("/extended", []), ("/v2/info", {"network_id": 1}), ("/v2/info", None),
        ("/devnet", None), ("/devnet", {}), ("/devnet", {"genesis_time": "soon"}),
    ],
)  # fmt: skip
def test_a_node_that_became_another_is_signed_for_no_more(
    path: str, answer: object
) -> None:
    with little_devnet() as house:
        wallet = DemoWallet(DevnetNode(house.url))
        house.answers[path] = answer
        with pytest.raises(NotTheDevnet, match=r"."):
            wallet.sign(handed(RETIRE))
        with pytest.raises(NotTheDevnet, match=r"."):
            wallet.answer(asked(wallet.address))


def test_keys_are_fresh_and_a_wallet_shows_none(house: LittleDevnet) -> None:
    devnet = DevnetNode(house.url)
    one, two = DemoWallet(devnet), DemoWallet(devnet)
    assert one.address != two.address
    assert DemoWallet(devnet, KEY).text == ME.text()
    assert KEY.secret.hex() not in repr(DemoWallet(devnet, KEY)) + repr(KEY)
