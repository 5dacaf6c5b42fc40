"""What a Stacks node says of an anchored root: two questions, their answers read strictly.

    hear(node, Question(chain_id, contract, root))

`/v2/info` tells the node's chain and how high it is, `/v2/map_entry` what the contract
keeps of the root (`contracts/energy-oracle.clar`, map `roots`). A node is one witness: a
lie in the right form is taken for what it is, one node's word. How the bytes come is the
node's own `fetch`. This module must never fill in what an answer left out, and never
repeat a node's words to a reader.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from meterseal_proto.boundedjson import read_json, uint
from meterseal_proto.c32 import Principal
from meterseal_proto.clarity import Buffer, Optional, Tuple, UInt, decode, encode
from meterseal_proto.errors import Malformed, Unavailable

DEPTH: Final = 7
"""Blocks of Stacks over an anchor before it counts, as many as the aggregator waits for; a
reader to whom a fork of Bitcoin matters, which takes hundreds of them, asks for more."""
MAX_DEPTH: Final = 10_000
"""Blocks a reader may ask for: some days of them; more is a typing mistake."""
MAX_HEIGHT: Final = (1 << 40) - 1
MAX_SIZE: Final = 1 << 32
"""Entries that the contract anchors at most: what 32 siblings can prove."""
CONTRACT: Final = "energy-oracle"
"""The contract that anchors, under the address that published a network's contracts."""

_ROOTS: Final = "roots"
_KEPT: Final = ["at", "height", "size"]
_CHAIN_LIMIT: Final = (1 << 32) - 1
_MAX_BRACKETS: Final = 64
"""/v2/info opens a few."""
_OK, _ABSENT = 200, 404
_HEX: Final = re.compile(r"0x((?:[0-9a-f]{2})+)")

Fetch = Callable[[str, bytes | None], tuple[int, bytes]]
"""From a path and a body of JSON (None: GET) to status and content; raises Unavailable."""


@dataclass(frozen=True, slots=True)
class Node:
    """A node: its `name` as a reader is told who said it, and how it is asked."""

    name: str
    fetch: Fetch


@dataclass(frozen=True, slots=True)
class Question:
    """What `contract` on the chain `chain_id` keeps of a 32-byte `root`."""

    chain_id: int
    contract: Principal
    root: bytes


@dataclass(frozen=True, slots=True)
class Kept:
    """What a contract keeps of a root: the log's `size`, the `height` of the block."""

    size: int
    height: int


@dataclass(frozen=True, slots=True)
class Heard:
    """What the node `name` says at the tip `height`; `kept` None: there is no such root."""

    name: str
    height: int
    kept: Kept | None


def hear(node: Node, question: Question) -> Heard:
    """Ask a node; raises Unavailable, with what to do, for anything that is no answer."""
    try:
        height = _height(_document(*node.fetch("/v2/info", None)), question.chain_id)
        asked = json.dumps("0x" + encode(Buffer(question.root)).hex()).encode()
        status, content = node.fetch(_place(question.contract), asked)
        if status == _ABSENT:
            text = f"has no contract {question.contract.text()} with such a map"
            raise Unavailable(text)
        return Heard(node.name, height, _kept(_document(status, content)))
    except ValueError as error:
        raise Unavailable(f"gave no node's answer ({error})") from None


def _place(contract: Principal) -> str:
    return f"/v2/map_entry/{contract.address.text()}/{contract.name}/{_ROOTS}?proof=0"


def _document(status: int, content: bytes) -> dict[str, Any]:  # Any: a node's JSON
    if status != _OK:
        raise ValueError(f"status {status}")
    try:
        found = read_json(content, brackets=_MAX_BRACKETS)
    except ValueError:
        raise ValueError("not JSON") from None
    if not isinstance(found, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004 (a node's mistake)
    return found


def _height(info: dict[str, Any], chain_id: int) -> int:  # Any: a node's JSON
    found = uint(info.get("network_id"), "network_id", _CHAIN_LIMIT)
    if found != chain_id:
        raise Unavailable(f"is a node of chain {found}: ask one of chain {chain_id}")
    return uint(info.get("stacks_tip_height"), "stacks_tip_height", MAX_HEIGHT)


def _kept(found: dict[str, Any]) -> Kept | None:  # Any: a node's JSON
    data = found.get("data")
    match = _HEX.fullmatch(data) if isinstance(data, str) else None
    if match is None:
        raise ValueError("data: 0x and hex digits")
    try:
        value = decode(bytes.fromhex(match[1]))
    except Malformed:
        raise ValueError("data: not a Clarity value") from None
    if value == Optional(None):
        return None
    inner = value.value if isinstance(value, Optional) else None
    if not isinstance(inner, Tuple) or sorted(inner.fields) != _KEPT:
        raise ValueError("data: not what the contract keeps of a root")
    return Kept(_number(inner, "size", MAX_SIZE), _number(inner, "height", MAX_HEIGHT))


def _number(kept: Tuple, name: str, most: int) -> int:
    found = kept[name]
    return uint(found.value if isinstance(found, UInt) else None, name, most)
