"""A node's answers have one form each; what has another is no answer."""

from typing import Any

import pytest

from meterseal_aggregator.stacks.node import answers
from meterseal_aggregator.stacks.node.port import Block, InBlock, Refused, Unknown, Why
from meterseal_proto.c32 import Principal
from meterseal_proto.clarity import TRUE, Ok

TXID, HASH = "a1" * 32, "b2" * 32
INFO = {
    "network_id": 7,
    "stacks_tip_height": 9,
    "burn_block_height": 3,
    "stacks_tip": HASH,
}
MINED = {
    "tx_id": f"0x{TXID}",
    "tx_status": "success",
    "canonical": True,
    "tx_result": {"hex": "0x0703"},
    "block_height": 9,
    "block_hash": f"0x{HASH}",
}
ORACLE = Principal.parse("ST1PQHQKV0RJXZFY1DGX8MNSNYVE3VGZJSRTPGZGM.energy-oracle")
EVENT = {
    "event_type": "smart_contract_log",
    "event_index": 0,
    "tx_id": f"0x{TXID}",
    "contract_log": {"contract_id": ORACLE.text(), "value": {"hex": "0x03"}},
}


def test_a_transaction_in_a_block_is_read() -> None:
    block = Block(TXID, 9, HASH, ok=True)
    assert answers.transaction(MINED, TXID) == InBlock(block, Ok(TRUE))


@pytest.mark.parametrize("status", ["abort_by_response", "abort_by_post_condition"])
def test_an_aborted_transaction_is_in_its_block_all_the_same(status: str) -> None:
    found = answers.transaction(MINED | {"tx_status": status}, TXID)
    assert isinstance(found, InBlock)
    assert not found.block.ok


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"tx_status": "pending"}, Unknown.PENDING),
        ({"tx_status": "dropped_replace_by_fee"}, Unknown.NOWHERE),
        ({"canonical": False}, Unknown.NOWHERE),
    ],
)
def test_a_transaction_in_no_block_that_counts_is_in_none(
    change: dict[str, Any], found: Unknown
) -> None:
    assert answers.transaction(MINED | change, TXID) is found


@pytest.mark.parametrize(
    "change",
    [
        {"tx_id": f"0x{HASH}"},
        {"tx_status": "confirmed"},
        {"tx_status": None},
        {"canonical": None, "tx_result": {"hex": "0x08"}, "tx_status": "done"},
        {"tx_result": {"hex": "0x0803"}},
        {"tx_result": {"hex": "0x07"}},
        {"tx_result": {"hex": "07030"}},
        {"tx_result": "(ok true)"},
        {"block_height": -1},
        {"block_height": 1 << 60},
        {"block_height": True},
        {"block_height": "9"},
        {"block_hash": HASH[:-1]},
        {"block_hash": 5},
    ],
)
def test_a_transaction_told_otherwise_is_no_answer(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"."):
        answers.transaction(MINED | change, TXID)


@pytest.mark.parametrize("name", [*MINED])
def test_a_transaction_with_a_field_left_out_is_no_answer(name: str) -> None:
    less = {key: value for key, value in MINED.items() if key != name}
    with pytest.raises(ValueError, match=name):
        answers.transaction(less, TXID)


@pytest.mark.parametrize(
    "wrong", [None, [], 5, {}, INFO | {"network_id": 8}, INFO | {"stacks_tip": ""}]
)
def test_a_tip_told_otherwise_or_of_another_chain_is_no_answer(wrong: Any) -> None:
    assert answers.tip(INFO, 7).height == 9
    with pytest.raises(ValueError, match=r"."):
        answers.tip(wrong, 7)


@pytest.mark.parametrize("balance", [5, "5", "0x", "0x" + "f" * 33, "0xzz"])
def test_a_balance_is_sixteen_bytes_in_hex(balance: Any) -> None:
    assert answers.account({"balance": "0x0a", "nonce": 2}) == (2, 10)
    with pytest.raises(ValueError, match="balance"):
        answers.account({"balance": balance, "nonce": 2})


@pytest.mark.parametrize(
    "prices", [None, [1, 2], [1, 2, 3, 4], [3, 2, 1], [1, 2, -1], [1, 2, 1 << 64]]
)
def test_prices_are_three_and_do_not_fall(prices: Any) -> None:
    told = prices and [{"fee": price} for price in prices]
    with pytest.raises(ValueError, match=r"."):
        answers.fees({"estimations": told})


def test_what_a_contract_printed_is_read_and_what_it_moved_is_passed_over() -> None:
    moved = EVENT | {"event_type": "stx_asset"}
    printed, nothing = answers.events({"results": [EVENT, moved]}, ORACLE)
    assert printed is not None
    assert (printed.place.txid, printed.value) == (TXID, TRUE)
    assert nothing is None
    with pytest.raises(ValueError, match="another contract"):
        answers.events({"results": [EVENT]}, Principal(ORACLE.address, "diary"))


def test_a_refusal_keeps_its_reason_and_only_words_that_print() -> None:
    said = answers.refusal(b'{"reason": "BadNonce", "reason_data": {"expected": 3}}')
    assert (said.why, said.why.passes) == (Why.NONCE, True)
    other = answers.refusal(b'{"reason": "Wonderful\\u001b[2J"}')
    assert (other.why, other.why.passes) == (Why.OTHER, False)
    assert "\x1b" not in other.detail
    with pytest.raises(ValueError, match="reason"):
        answers.refusal(b"{}")


def test_a_function_that_fails_is_refused() -> None:
    assert answers.called({"okay": True, "result": "0x03"}) == TRUE
    with pytest.raises(Refused):
        answers.called({"okay": False, "cause": "Unchecked"})
