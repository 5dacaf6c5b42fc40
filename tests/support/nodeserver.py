"""A fake node behind the HTTP RPC on loopback, with faults of the wire on demand.

async with served(node) as server:
    HttpNode(server.url, CHAIN)
    server.faults.append("hang")
"""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from meterseal_aggregator.stacks.node.port import (
    Event,
    InBlock,
    Place,
    Refused,
    Unknown,
    Why,
)
from meterseal_proto.c32 import Principal
from meterseal_proto.clarity import Err, Value, decode, encode
from tests.support.fakechain import CHAIN, DEPLOYER, FakeBlock, parse
from tests.support.fakenode import FakeNode

Item = TypeVar("Item")
Answer = tuple[int, Any]  # a status, and a JSON document
WIRE_FAULTS = ("500", "hang", "cut", "page", "endless", "null", "deep", "packed")
_TIP = {"network_id": CHAIN.chain_id, "stacks_tip_height": 1, "burn_block_height": 1}
_PACKED = gzip.compress(json.dumps(_TIP | {"stacks_tip": "0" * 64}).encode())
_BAD = {
    "500": b"HTTP/1.1 500 Oh\r\ncontent-length: 2\r\n\r\n{}",
    "cut": b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{",
    "page": b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n<html>",
    "null": b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nnull",
    "packed": b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\n"
    b"content-length: %d\r\n\r\n" % len(_PACKED) + _PACKED,
    "deep": b"HTTP/1.1 200 OK\r\ncontent-length: 90000\r\n\r\n" + b"[" * 90_000,
}


@dataclass
class Server:
    """Where the node listens; each of `faults` spoils one exchange.

    `padding` is text that strangers put in each of their transactions and events; the API
    is `behind` the node by some blocks.
    """

    node: FakeNode
    url: str = ""
    faults: list[str] = field(default_factory=list)
    padding: str = ""
    behind: int = 0

    async def serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            body = await reader.readexactly(_length(head))
            fault = self.faults.pop(0) if self.faults else ""
            if fault == "hang":
                await reader.read()
            elif fault == "endless":
                await _flood(writer)
            else:
                writer.write(_BAD.get(fault) or await self._answer(head, body))
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _answer(self, head: str, body: bytes) -> bytes:
        path = head.split(" ")[1]
        try:
            status, found = await self._route(path, body)
        except Refused as refused:
            told = {"error": "transaction rejected", "reason": refused.why.value}
            absent = refused.why is Why.CONTRACT and "/v2/transactions" not in path
            status, found = (404 if absent else 400), told
        if self.padding:
            for one in found.get("results", []) + found.get("events", []):
                if "tx_id" in one:
                    one["repr"] = self.padding
        text = json.dumps(found).encode()
        length = f"content-length: {len(text)}\r\nconnection: close\r\n\r\n"
        return f"HTTP/1.1 {status} X\r\n{length}".encode() + text

    async def _route(self, path: str, body: bytes) -> Answer:
        where, _, query = path.partition("?")
        match where.strip("/").split("/"):
            case ["extended", "v1", "tx", txid]:
                return await self._transaction(txid.removeprefix("0x"), query)
            case ["extended", "v2", "blocks", *rest]:
                return await self._block(rest, query)
            case ["extended", "v1", "contract", told, "events"]:
                return 200, await self._events(Principal.parse(told), query)
            case ["v2", "contracts", "source", address, name]:
                contract = Principal.parse(f"{address}.{name}")
                height = await self.node.published(contract)
                return 200, {"source": "", "publish_height": height}
            case ["v2", "contracts" | "map_entry" as which, *rest]:
                return 200, await self._contract(which, rest, json.loads(body))
            case ["v2", "transactions"]:
                await self.node.send(body)
                return 200, parse(body).txid
            case ["v2", *rest]:
                return 200, await self._plain(rest, body)
            case _:
                return 404, {"error": "not found"}

    async def _plain(self, parts: list[str], body: bytes) -> Any:
        match parts:
            case ["info"]:
                return await self._info()
            case ["accounts", who]:
                return await self._account(Principal.parse(who))
            case _:
                assert parts == ["fees", "transaction"]
                return await self._fees(json.loads(body))

    async def _contract(self, which: str, parts: list[str], asked: Any) -> Any:
        address, name, what = parts[-3:]
        contract = Principal.parse(f"{address}.{name}")
        if which == "contracts":
            return await self._call(contract, what, asked)
        key = decode(bytes.fromhex(asked[2:]))
        return {"data": _hex(await self.node.entry(contract, what, key))}

    async def _info(self) -> Any:
        tip = await self.node.info()
        return {
            "network_id": CHAIN.chain_id,
            "stacks_tip_height": tip.height,
            "burn_block_height": tip.burn_height,
            "stacks_tip": tip.block_id,
        }

    async def _account(self, who: Principal) -> Any:
        balance = f"0x{await self.node.balance(who):032x}"
        return {"balance": balance, "nonce": await self.node.nonce(who)}

    async def _fees(self, asked: Any) -> Any:
        payload = bytes.fromhex(asked["transaction_payload"])
        found = await self.node.fee(payload, asked["estimated_len"])
        prices = (found.low, found.middle, found.high)
        return {"estimations": [{"fee": fee} for fee in prices]}

    async def _call(self, contract: Principal, function: str, asked: Any) -> Any:
        given = [decode(bytes.fromhex(one[2:])) for one in asked["arguments"]]
        try:
            found = await self.node.call(contract, function, given)
        except Refused as refused:
            if refused.why is Why.CONTRACT:
                raise
            return {"okay": False, "cause": refused.detail}
        return {"okay": True, "result": _hex(found)}

    async def _transaction(self, txid: str, query: str) -> Answer:
        found = await self.node.found(txid)
        told: dict[str, Any] = {"tx_id": f"0x{txid}", "tx_status": "pending"}
        tip = (await self.node.info()).height - self.behind
        late = isinstance(found, InBlock) and found.block.height > tip
        if found is Unknown.NOWHERE or late:
            return 404, {"error": "could not find transaction by ID"}
        if isinstance(found, InBlock):
            status = "success" if found.block.ok else "abort_by_response"
            told |= {"tx_status": status, "canonical": True}
            told |= {"block_height": found.block.height}
            told |= {"block_hash": f"0x{found.block.block_id}"}
            told |= {"tx_result": {"hex": _hex(found.result)}}
            told |= self._printed(txid, query)
        return 200, told

    def _printed(self, txid: str, query: str) -> dict[str, Any]:
        place = self.node.chain.where(txid)
        assert place is not None
        contract = place[1].sent.contract
        events = [
            _event(contract, Event(Place(txid, index), value))
            for index, value in enumerate(place[1].prints)
        ]
        page = _page(events, query, "event_") if query else events
        return {"event_count": len(events), "events": page}

    async def _block(self, parts: list[str], query: str) -> Answer:
        """Answer blocks, one by its height, or its transactions by its hash."""
        if not parts:
            tip = (await self.node.info()).height - self.behind
            page = _page(list(range(tip, 0, -1)), query)
            return 200, {"results": [await self._header(height) for height in page]}
        if len(parts) == 1:
            found = await self._header(int(parts[0]))
            return (200 if found else 404), found or {"error": "cannot find block"}
        for block in self.node.chain.blocks:
            if f"0x{block.id}" == parts[0]:
                listed = [_listed(block, index) for index in range(len(block.mined))]
                page = _page(listed[::-1], query)
                return 200, {"total": len(listed), "results": page}
        return 404, {"error": "cannot find block"}

    async def _header(self, height: int) -> Any:
        found = await self.node.block(height, DEPLOYER.address(CHAIN))
        if found is None:
            return None
        count = len(self.node.chain.blocks[found.height - 1].mined)
        ids = {"hash": found.block_id, "parent_block_hash": found.parent_id}
        told: dict[str, Any] = {key: f"0x{name}" for key, name in ids.items()}
        return told | {"canonical": True, "height": height, "tx_count": count}

    async def _events(self, contract: Principal, query: str) -> Any:
        told = (await self.node.events(contract, None))[::-1]
        return {"results": [_event(contract, one) for one in _page(told, query)]}


def _event(contract: Principal, one: Event) -> Any:
    return {
        "event_type": "smart_contract_log",
        "event_index": one.place.index,
        "tx_id": f"0x{one.place.txid}",
        "contract_log": {
            "contract_id": contract.text(),
            "value": {"hex": _hex(one.value)},
        },
    }


def _listed(block: FakeBlock, index: int) -> Any:
    one = block.mined[index]
    failed = isinstance(one.result, Err)
    return {
        "tx_id": f"0x{one.sent.txid}",
        "tx_index": index,
        "tx_type": "contract_call",
        "tx_status": "abort_by_response" if failed else "success",
        "canonical": True,
        "block_hash": f"0x{block.id}",
        "event_count": len(one.prints),
    }


def _page(items: list[Item], query: str, prefix: str = "") -> list[Item]:
    asked = dict(part.split("=") for part in query.split("&"))
    at, limit = int(asked[f"{prefix}offset"]), int(asked[f"{prefix}limit"])
    return items[at : at + limit]


@asynccontextmanager
async def served(node: FakeNode) -> AsyncIterator[Server]:
    """Serve a node on a free port of this machine."""
    server = Server(node)
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    try:
        yield server
    finally:
        listening.close()


def _length(head: str) -> int:
    for line in head.lower().split("\r\n"):
        if line.startswith("content-length:"):
            return int(line.partition(":")[2])
    return 0


async def _flood(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        writer.write(b" " * 65_536)
        await writer.drain()


def _hex(value: Value) -> str:
    return "0x" + encode(value).hex()
