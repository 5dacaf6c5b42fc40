"""JSON becomes a typed call, or one sentence that names the argument."""

import inspect
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.unsigned import read_unsigned
from meterseal_aggregator.stacks.calls import token
from meterseal_aggregator.stacks.calls.arguments import LogPlace
from meterseal_aggregator.stacks.calls.deployment import Call, Deployment
from meterseal_aggregator.stacks.transaction import (
    TESTNET_CHAIN,
    AccountKey,
    Network,
)
from meterseal_aggregator.stacks.wallet.handout import handout
from meterseal_aggregator.stacks.wallet.membercalls import CALLS, NoSuchCall, made
from meterseal_aggregator.stacks.wallet.typed import (
    LENGTHS,
    MAX_ITEMS,
    MAX_NUMBER,
    Wrong,
    read,
    spelled,
)
from meterseal_proto.c32 import Address, Principal
from meterseal_proto.seal import Header
from meterseal_proto.units import MeterId, RegisterId
from tests.support.claritytypes import admits

TEST = Network.of(TESTNET_CHAIN)
ME = Principal(AccountKey(b"\x61" * 32).address(TEST))
AT = Deployment(Address.parse("ST1PQHQKV0RJXZFY1DGX8MNSNYVE3VGZJSRTPGZGM"))
COIN = {"contract": f"{AT.address.text()}.coin", "name": "coin"}
PLACE = {"index": 0, "siblings": ["44" * 32], "root": "55" * 32}
HEADER = Header(
    bytes(32), MeterId(bytes(16)), RegisterId(1), 900, 900, 1, 1, bytes(32), bytes(32)
)
SEALED = {"header": HEADER.consensus().hex(), "signature": "66" * 65}
RECORD = {"start": 900, "delta": 1, "value": 2, "quality": 14, "revision": 0}
READING = {"record": RECORD, "salt": "77" * 16, "siblings": []}
OPENING = {"value": 5, "z": "88" * 32, "a": ""}
SLOT = {"meter_point": 1, "register": 1, "start": 0, "end": 900}
CLAIM = {"epoch": 1, "index": 0, "owner": ME.text(), "slot": SLOT, "amount": 9}
GOOD: Mapping[str, Any] = {  # Any: JSON
    "of": CLAIM, "siblings": ["44" * 32], "recipient": ME.text(), "seller": ME.text(),
    "provider": ME.text(), "memo": "00", "asset": COIN, "sealed": SEALED, "one": SEALED,
    "two": SEALED, "place": PLACE, "readings": [READING], "old": OPENING, "new": OPENING,
    "p256": False, "grants": True, "yes": True, "locks": True, "source": "solar",
    "mode": "tokens", "text": "99" * 32, "signatures": ["66" * 65] * 2,
    "change": {"name": "trade-fee", "value": 50, "who": None},
}  # fmt: skip
"""An argument by its name; any other is a number, or bytes of their length."""


def good(function: str) -> dict[str, Any]:  # Any: JSON
    """Arguments that a function takes."""
    found = {}
    for name, kind in CALLS[function].arguments.items():
        plain = "11" * LENGTHS.get(name, 32) if kind is bytes else 3
        found[name] = GOOD.get(name, plain)
        if name == "asset" and kind == Principal | None:
            found[name] = COIN["contract"]
        if function == "governance.propose" and name == "kind":
            found[name] = "fee"
    return found


def call_of(function: str) -> Call:
    return made(AT, ME, function, good(function))


@pytest.mark.parametrize("function", CALLS)
def test_every_listed_call_is_made_of_json_and_fits_its_contract(function: str) -> None:
    call = made(AT, ME, function, json.loads(json.dumps(good(function))))
    assert f"{call.contract.name}.{call.function}" == function
    path = Path(__file__).parents[2] / "proto/vectors/interfaces.json"
    wanted = json.loads(path.read_text())[function]["arguments"]
    assert list(call.arguments) == [name for name, _ in wanted]
    for value, (_, kind) in zip(call.arguments.values(), wanted, strict=True):
        assert admits(kind, value), (function, kind)


@pytest.mark.parametrize("function", CALLS)
def test_what_is_handed_out_is_read_back_as_it_was_made(function: str) -> None:
    call = call_of(function)
    told = handout(call, ME.address, TEST, 7, 3_000)
    found = read_unsigned(told.unsigned)
    assert found.call == call.payload
    assert len(found.conditions) == len(call.conditions)


WRONG: tuple[Any, ...] = (
    *(None, [], {}, "", "zz77zz", -1, 1.5, MAX_NUMBER + 1, "11" * 31, [1]),
    {"zz77zz": 1},
)


@pytest.mark.parametrize("function", CALLS)
def test_every_argument_that_is_wrong_is_named(function: str) -> None:
    right = good(function)
    for name in right:
        for wrong in WRONG:
            try:
                made(AT, ME, function, right | {name: wrong})
            except Wrong as error:
                top = error.where.partition(".")[0].partition("[")[0]
                assert top in (name, "arguments")
                assert "zz77zz" not in str(error), "what was sent is not said"
        left = {one: value for one, value in right.items() if one != name}
        with pytest.raises(Wrong, match="missing") as missing:
            made(AT, ME, function, left)
        assert missing.value.where == name
    with pytest.raises(Wrong, match="unknown name"):
        made(AT, ME, function, right | {"surely-unknown": 1})


@pytest.mark.parametrize(
    ("given", "of", "where"),
    [
        (True, int, "amount"), ("7", int, "amount"), (1.0, int, "amount"),
        (1, bool, "p256"), ("true", bool, "p256"), ("AA" * 32, bytes, "profile"),
        ("11" * 33, bytes, "profile"), ("0x" + "11" * 31, bytes, "profile"),
        ("11" * 35, bytes, "memo"), ("1" * 63, bytes, "profile"),
        ("caf\u00e9", str, "source"), ("a" * 33, str, "source"), ("", str, "source"),
        ("a\nb", str, "source"), (ME.text().lower(), Principal, "seller"),
        (7, Principal, "seller"), ("11" * 362, Header, "sealed.header"),
        (["44" * 32] * (MAX_ITEMS + 1), tuple[bytes, ...], "siblings"),
        (["66" * 65], tuple[bytes, bytes], "signatures"),
        (["66" * 65] * 3, tuple[bytes, bytes], "signatures"),
    ],
)  # fmt: skip
def test_one_spelling_of_a_value_is_taken(
    given: object, of: object, where: str
) -> None:
    with pytest.raises(Wrong) as refused:
        read(given, of, where)
    assert refused.value.where == where
    assert refused.value.detail


def test_a_place_within_a_list_is_named() -> None:
    with pytest.raises(Wrong) as refused:
        read({**PLACE, "siblings": ["44" * 32, "4"]}, LogPlace, "place")
    assert refused.value.where == "place.siblings[1]"


def test_a_token_is_of_a_contract() -> None:
    bare = {"contract": AT.address.text(), "name": "coin"}
    given = good("payment.pay-bill") | {"asset": bare}
    with pytest.raises(Wrong) as refused:
        made(AT, ME, "payment.pay-bill", given)
    assert refused.value.where == "asset.contract"
    assert made(AT, ME, "payment.pay-bill", given | {"asset": None}).conditions


def test_only_ones_own_tokens_move() -> None:
    for function in ("energy-token.transfer", "utility-token.transfer"):
        assert "sender" not in CALLS[function].arguments
        (moved,) = call_of(function).conditions
        assert moved.who == ME
        with pytest.raises(Wrong, match="unknown name"):
            made(AT, ME, function, good(function) | {"sender": AT.address.text()})


OFFICES = (
    "By the oracle", 'By the role "registrar"', 'By the role "operator"',
    'By the role "court"', 'By the role "escrow"', "By the admin", "By a guardian",
    "By a certifier", 'role "rewarder"', 'role "recorder"',
)  # fmt: skip


def test_what_an_office_does_is_not_listed() -> None:
    for one in CALLS.values():
        assert not any(office in one.about for office in OFFICES), one.make.__name__
    for function in ("energy-token.mint", "roles.grant", "", "energy-token"):
        with pytest.raises(NoSuchCall):
            made(AT, ME, function, {})


def test_every_argument_is_said_in_words() -> None:
    for name, one in CALLS.items():
        assert "Errors: u" in one.about, name
        assert "ValueError" not in one.about, "no member has to know our language"
        assert all(one.words().values())
    assert spelled(bytes | None, "memo") == "up to 34 bytes as lower-case hex, or null"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=70),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["amount", "of", "slot", "x"]), inner, max_size=4
        )
    ),
    max_leaves=12,
)


@given(st.sampled_from(sorted(CALLS)), JSON, st.data())
def test_any_json_is_a_call_or_is_refused_by_name(
    function: str, noise: Any, data: st.DataObject
) -> None:
    right = good(function)
    given = (
        noise
        if not right
        else right | {data.draw(st.sampled_from(sorted(right))): noise}
    )
    try:
        call = made(AT, ME, function, given)
    except Wrong as error:
        assert error.where
        return
    assert handout(call, ME.address, TEST, 0, 1).unsigned


@given(
    st.integers(0, MAX_NUMBER), st.binary(min_size=32, max_size=32), st.integers(0, 99)
)
def test_the_table_makes_what_the_call_itself_makes(
    amount: int, beneficiary: bytes, start: int
) -> None:
    given = {
        "amount": amount, "beneficiary": beneficiary.hex(), "start": start, "end": 100,
    }  # fmt: skip
    call = made(AT, ME, "energy-token.retire", given)
    assert call == token.retire(AT, amount, beneficiary, start, 100)
    assert set(given) == set(inspect.signature(token.retire).parameters) - {"at"}
