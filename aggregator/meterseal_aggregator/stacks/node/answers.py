"""What a node's JSON says, read strictly: one form for each answer, and no other is taken.

Every function takes a document as the adapter got it and returns a value of `node`;
ValueError says what is wrong. This module must never fill in what an answer left out.
"""

import json
import re
from dataclasses import dataclass
from typing import Any, Final

from meterseal_aggregator.stacks.node.port import (
    Block,
    Event,
    Fees,
    Found,
    InBlock,
    Place,
    Print,
    Refused,
    Tip,
    Unknown,
    Why,
)
from meterseal_proto.boundedjson import read_deep_json, read_json, uint
from meterseal_proto.c32 import Address, Principal
from meterseal_proto.clarity import Err, Optional, Value, decode
from meterseal_proto.errors import Malformed

MAX_BRACKETS: Final = 20_000
"""A transaction with some thousand events; the adapter bounds the bytes."""
MAX_PAGE_BRACKETS: Final = 1 << 20
"""A page of transactions: one of 2 MiB may have 65,000 post-conditions, three brackets each."""
MAX_PAGE_DEPTH: Final = 64
"""A page nests some ten deep; values in it are texts."""
MAX_HEIGHT: Final = (1 << 40) - 1
MAX_MICRO_STX: Final = (1 << 63) - 1
MAX_WORDS: Final = 300
"""Characters kept of a node's words."""
PRICES: Final = 3
_HASH: Final = re.compile(r"(?:0x)?([0-9a-f]{64})")
_HEX: Final = re.compile(r"0x((?:[0-9a-f]{2})+)")
_AMOUNT: Final = re.compile(r"0x[0-9a-f]{1,32}")
_DROPPED: Final = "dropped_"
_ABORTED: Final = ("abort_by_response", "abort_by_post_condition")

_PRINTING: Final = ("contract_call", "smart_contract")
"""The kinds of transaction that run a contract; what else there is prints nothing."""

Json = Any  # a node's document, read field by field


@dataclass(frozen=True, slots=True)
class Header:
    """A block, the one it stands on, and how many transactions it has."""

    height: int
    block_id: str
    parent_id: str
    transactions: int


@dataclass(frozen=True, slots=True)
class Listed:
    """A transaction as a block lists it: its place there, and its events if they count."""

    txid: str
    index: int
    events: int


def document(content: bytes) -> Json:
    """Return the JSON that came; ValueError when it is none."""
    return read_json(content, brackets=MAX_BRACKETS)


def page(content: bytes) -> Json:
    """Return a page of what anybody sent to the chain; ValueError when it is none.

    Strangers fill its texts as they like, so brackets in them count for nothing.
    """
    return read_deep_json(content, brackets=MAX_PAGE_BRACKETS, depth=MAX_PAGE_DEPTH)


def tip(found: Json, chain_id: int) -> Tip:
    """Read /v2/info of a node of the chain `chain_id`."""
    if _field(found, "network_id") != chain_id:
        raise ValueError(f"a node of chain {found['network_id']!r:.20}, not {chain_id}")
    height = uint(_field(found, "stacks_tip_height"), "stacks_tip_height", MAX_HEIGHT)
    burn = uint(_field(found, "burn_block_height"), "burn_block_height", MAX_HEIGHT)
    return Tip(height, burn, block_hash(_field(found, "stacks_tip")))


def account(found: Json) -> tuple[int, int]:
    """Read /v2/accounts: the next nonce, and the balance in micro-STX."""
    balance = _field(found, "balance")
    if not isinstance(balance, str) or _AMOUNT.fullmatch(balance) is None:
        raise ValueError("balance: 16 bytes in hex")
    return uint(_field(found, "nonce"), "nonce"), int(balance, 16)


def transaction(found: Json, txid: str) -> Found:
    """Read /extended/v1/tx; where it lies in no block that counts, whether it waits."""
    if block_hash(_field(found, "tx_id")) != txid:
        raise ValueError("tx_id: an answer about another transaction")
    status = _field(found, "tx_status")
    if status == "pending":
        return Unknown.PENDING
    if isinstance(status, str) and status.startswith(_DROPPED):
        return Unknown.NOWHERE
    if status != "success" and status not in _ABORTED:
        raise ValueError(f"tx_status: {status!r:.40} is none we know")
    if _field(found, "canonical") is not True:
        return Unknown.NOWHERE
    result = value(_field(_field(found, "tx_result"), "hex"))
    ok = status == "success"
    if ok and isinstance(result, Err):
        raise ValueError("tx_result: an error, in a transaction that succeeded")
    height = uint(_field(found, "block_height"), "block_height", MAX_HEIGHT)
    block = Block(txid, height, block_hash(_field(found, "block_hash")), ok)
    return InBlock(block, result)


def called(found: Json) -> Value:
    """Read call-read's answer; raises Refused where the function failed."""
    if _field(found, "okay") is not True:
        raise Refused(Why.OTHER, words(found.get("cause")))
    return value(_field(found, "result"))


def entry(found: Json) -> Optional:
    """Read map_entry's answer."""
    read = value(_field(found, "data"))
    if not isinstance(read, Optional):
        raise ValueError("data: some or none")  # noqa: TRY004 (a node's mistake)
    return read


def fees(found: Json) -> Fees:
    """Read /v2/fees/transaction: three prices that do not fall."""
    three = _field(found, "estimations")
    if not isinstance(three, list) or len(three) != PRICES:
        raise ValueError("estimations: three prices")
    low, middle, high = (
        uint(_field(one, "fee"), "fee", MAX_MICRO_STX) for one in three
    )
    if not low <= middle <= high:
        raise ValueError("estimations: prices that fall")
    return Fees(low, middle, high)


def events(found: Json, contract: Principal) -> list[Event | None]:
    """Read a page of a contract's events, newest first; None for what it did not print."""
    page = _field(found, "results")
    if not isinstance(page, list):
        raise ValueError("results: a list")  # noqa: TRY004 (a node's mistake)
    return [_event(one, contract) for one in page]


def published(found: Json) -> int:
    """Read /v2/contracts/source: the height of the contract's block."""
    return uint(_field(found, "publish_height"), "publish_height", MAX_HEIGHT)


def header(found: Json, height: int) -> Header:
    """Read /extended/v2/blocks/{height}; ValueError for a block that does not count."""
    if _field(found, "canonical") is not True or _field(found, "height") != height:
        raise ValueError(f"block {height}: an answer about another block")
    block_id = block_hash(_field(found, "hash"))
    parent = block_hash(_field(found, "parent_block_hash"))
    count = uint(_field(found, "tx_count"), "tx_count", MAX_HEIGHT)
    return Header(height, block_id, parent, count)


def headers(found: Json) -> list[Header]:
    """Read a page of /extended/v2/blocks, newest first."""
    page = _field(found, "results")
    if not isinstance(page, list):
        raise ValueError("results: a list")  # noqa: TRY004 (a node's mistake)
    heights = [uint(_field(one, "height"), "height", MAX_HEIGHT) for one in page]
    return [header(one, height) for one, height in zip(page, heights, strict=True)]


def listed(found: Json, block: Header) -> list[Listed]:
    """Read a page of a block's transactions; those that cannot print have no events."""
    page = _field(found, "results")
    if not isinstance(page, list) or _field(found, "total") != block.transactions:
        raise ValueError("results: as many transactions as the block has")
    return [_listed(one, block) for one in page]


def _listed(found: Json, block: Header) -> Listed:
    in_block(found, block)
    events = uint(_field(found, "event_count"), "event_count", MAX_HEIGHT)
    index = uint(_field(found, "tx_index"), "tx_index", MAX_HEIGHT)
    status, kind = _field(found, "tx_status"), _field(found, "tx_type")
    counts = status == "success" and kind in _PRINTING
    return Listed(block_hash(_field(found, "tx_id")), index, events if counts else 0)


def in_block(found: Json, block: Header) -> None:
    """Hold a transaction's answer to its block; ValueError where it names another."""
    there = block_hash(_field(found, "block_hash")) == block.block_id
    if _field(found, "canonical") is not True or not there:
        raise ValueError(f"a transaction that is not in block {block.height}")


def told(
    found: Json, one: Listed, block: Header, publisher: Address
) -> list[tuple[int, Print | None]]:
    """Read a page of a transaction's events by index; None for what is not our printing."""
    in_block(found, block)
    if block_hash(_field(found, "tx_id")) != one.txid:
        raise ValueError("tx_id: an answer about another transaction")
    page = _field(found, "events")
    if not isinstance(page, list) or _field(found, "event_count") != one.events:
        raise ValueError("events: as many as the block lists")
    return [_told(event, one, publisher) for event in page]


def _told(found: Json, one: Listed, publisher: Address) -> tuple[int, Print | None]:
    index = uint(_field(found, "event_index"), "event_index", MAX_HEIGHT)
    if _field(found, "event_type") != "smart_contract_log":
        return index, None
    log = _field(found, "contract_log")
    contract = _field(log, "contract_id")
    if not isinstance(contract, str):
        raise ValueError("contract_id: a text")  # noqa: TRY004 (a node's mistake)
    if not contract.startswith(f"{publisher.text()}."):
        return index, None
    place, hexes = Place(one.txid, index), _field(_field(log, "value"), "hex")
    return index, Print(Principal.parse(contract), place, value(hexes))


def _event(found: Json, contract: Principal) -> Event | None:
    if _field(found, "event_type") != "smart_contract_log":
        return None
    told = _field(found, "contract_log")
    if _field(told, "contract_id") != contract.text():
        raise ValueError("contract_id: an event of another contract")
    index = uint(_field(found, "event_index"), "event_index", MAX_HEIGHT)
    place = Place(block_hash(_field(found, "tx_id")), index)
    return Event(place, value(_field(_field(told, "value"), "hex")))


def refusal(content: bytes) -> Refused:
    """Read why a transaction was refused; ValueError where that is no node's answer."""
    found = document(content)
    reason = _field(found, "reason")
    detail = f"{reason} {json.dumps(found.get('reason_data'))}"
    try:
        why = Why(reason)
    except ValueError:
        why = Why.OTHER
    return Refused(why, words(detail))


def words(found: Json) -> str:
    """Return a node's words, few enough for a log, and nothing in them but print."""
    text = str(found)[:MAX_WORDS]
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def block_hash(found: Json) -> str:
    """Return 64 hex digits, which nodes write with 0x before them and without."""
    match = _HASH.fullmatch(found) if isinstance(found, str) else None
    if match is None:
        raise ValueError("a hash: 32 bytes in hex")
    return match[1]


def value(found: Json) -> Value:
    """Return the Clarity value of 0x and hex digits."""
    match = _HEX.fullmatch(found) if isinstance(found, str) else None
    if match is None:
        raise ValueError("a Clarity value: 0x and hex digits")
    try:
        return decode(bytes.fromhex(match[1]))
    except Malformed as error:
        raise ValueError(error.detail) from None


def _field(found: Json, name: str) -> Json:
    if not isinstance(found, dict) or name not in found:
        raise ValueError(f"{name} is missing")
    return found[name]
