"""A node over its HTTP RPC: Stacks' /v2, and the /extended API where /v2 says nothing.

    node = HttpNode("https://api.example", Network.of(chain_id))
    await node.info()
    await node.close()

Every answer is bounded in bytes and time, and read strictly (`answers`); one that is not
of its form is Unavailable, for a proxy's page and a liar's are the same to us. This module
must never follow a redirect, take a proxy from the environment, or log an address.
"""

import asyncio
import json
import ssl
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

import httpx2

from meterseal_aggregator.stacks import answers
from meterseal_aggregator.stacks.answers import Json
from meterseal_aggregator.stacks.node import (
    Event,
    Fees,
    Found,
    Lost,
    Place,
    Refused,
    Tip,
    Why,
)
from meterseal_aggregator.stacks.plan import Unknown
from meterseal_aggregator.stacks.transaction import Network
from meterseal_proto.boundedjson import uint
from meterseal_proto.c32 import Principal
from meterseal_proto.clarity import Optional, Value, encode
from meterseal_proto.errors import Unavailable

ANSWER_WITHIN_S: Final = 10.0
"""Nodes answer in a second; the longest look at a deed asks five times, inside a lease."""
MAX_ANSWER_BYTES: Final = 4 << 20
"""The largest Clarity value is 1 MiB, in hex 2, and a transaction repeats it as text."""
PAGE: Final = 50
"""Events a page, the most that the API gives."""
MAX_PAGES: Final = 40
"""2,000 events between two looks; who is further behind begins again by blocks."""
_OK, _WRONG, _ABSENT, _SERVER = 200, 400, 404, 500
_Value = TypeVar("_Value")


class HttpNode:
    """The node at `url` of one chain; `answer_within_s` bounds each answer as a whole."""

    def __init__(
        self, url: str, network: Network, *, answer_within_s: float = ANSWER_WITHIN_S
    ) -> None:
        self._url = url.rstrip("/")
        self._chain_id = network.chain_id
        self._within_s = answer_within_s
        self._client = httpx2.AsyncClient(
            timeout=answer_within_s, trust_env=False, follow_redirects=False
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def info(self) -> Tip:
        """Ask /v2/info."""
        found = await self._get("/v2/info")
        return _read(lambda: answers.tip(found, self._chain_id))

    async def nonce(self, who: Principal) -> int:
        """Ask /v2/accounts."""
        return (await self._account(who))[0]

    async def balance(self, who: Principal) -> int:
        """Ask /v2/accounts."""
        return (await self._account(who))[1]

    async def send(self, raw: bytes) -> None:
        """Post to /v2/transactions."""
        status, content = await self._exchange("/v2/transactions", raw)
        if status == _WRONG:
            raise _read(lambda: answers.refusal(content))
        answered = _document(status, content)
        _read(lambda: answers.block_hash(answered))

    async def found(self, txid: str) -> Found:
        """Ask /extended/v1/tx."""
        status, content = await self._exchange(f"/extended/v1/tx/0x{txid}")
        if status == _ABSENT:
            return Unknown.NOWHERE
        found = _document(status, content)
        return _read(lambda: answers.transaction(found, txid))

    async def call(
        self, contract: Principal, function: str, arguments: Sequence[Value]
    ) -> Value:
        """Ask /v2/contracts/call-read, as nobody in particular."""
        given = ["0x" + encode(one).hex() for one in arguments]
        body = {"sender": contract.address.text(), "arguments": given}
        path = f"/v2/contracts/call-read/{_path(contract)}/{function}"
        found = await self._ask(path, body)
        return _read(lambda: answers.called(found))

    async def entry(self, contract: Principal, name: str, key: Value) -> Optional:
        """Ask /v2/map_entry."""
        path = f"/v2/map_entry/{_path(contract)}/{name}?proof=0"
        found = await self._ask(path, "0x" + encode(key).hex())
        return _read(lambda: answers.entry(found))

    async def fee(self, payload: bytes, length: int) -> Fees:
        """Ask /v2/fees/transaction; of a node that has no estimate, its price by the byte."""
        body = {"transaction_payload": payload.hex(), "estimated_len": length}
        path = "/v2/fees/transaction"
        status, content = await self._exchange(path, json.dumps(body).encode())
        if status == _WRONG:
            by_byte = await self._get("/v2/fees/transfer")
            price = _read(lambda: uint(by_byte, "fee", answers.MAX_MICRO_STX // length))
            return Fees(price * length, price * length, price * length)
        found = _document(status, content)
        return _read(lambda: answers.fees(found))

    async def events(self, contract: Principal, after: Place | None) -> list[Event]:
        """Ask /extended/v1/contract/events, page by page back to `after`."""
        newest: list[Event] = []
        for page in range(MAX_PAGES):
            told = await self._page(contract, page * PAGE)
            for event in told:
                if event is not None and event.place == after:
                    return newest[::-1]
                if event is not None:
                    newest.append(event)
            if len(told) < PAGE:
                break
        else:
            raise Lost(f"more than {MAX_PAGES * PAGE} events since")
        if after is not None:
            raise Lost(f"event {after.index} of {after.txid} is not there")
        return newest[::-1]

    async def _page(self, contract: Principal, offset: int) -> list[Event | None]:
        where = f"/extended/v1/contract/{contract.text()}/events"
        found = await self._get(f"{where}?limit={PAGE}&offset={offset}")
        return _read(lambda: answers.events(found, contract))

    async def _account(self, who: Principal) -> tuple[int, int]:
        found = await self._get(f"/v2/accounts/{who.text()}?proof=0")
        return _read(lambda: answers.account(found))

    async def _get(self, path: str) -> Json:
        return _document(*await self._exchange(path))

    async def _ask(self, path: str, body: Json) -> Json:
        """Ask about a contract: what is not there is refused, not unavailable."""
        status, content = await self._exchange(path, json.dumps(body).encode())
        if status in (_WRONG, _ABSENT):
            said = answers.words(content.decode("utf-8", "replace"))
            raise Refused(Why.CONTRACT if status == _ABSENT else Why.ARGUMENT, said)
        return _document(status, content)

    async def _exchange(
        self, path: str, body: bytes | None = None
    ) -> tuple[int, bytes]:
        try:
            async with asyncio.timeout(self._within_s):
                return await self._stream(path, body)
        except TimeoutError:
            text = f"no answer within {self._within_s:g} s"
            raise Unavailable(text) from None
        except (httpx2.HTTPError, httpx2.InvalidURL, ssl.SSLError) as error:
            raise Unavailable(f"{type(error).__name__}: {error}") from error

    async def _stream(self, path: str, body: bytes | None) -> tuple[int, bytes]:
        raw = path == "/v2/transactions"
        kind = "application/octet-stream" if raw else "application/json"
        # Packed, an answer could grow a thousandfold before it is counted.
        plain = {"accept-encoding": "identity"}
        headers = plain if body is None else plain | {"content-type": kind}
        method = "GET" if body is None else "POST"
        url = self._url + path
        async with self._client.stream(
            method, url, content=body, headers=headers
        ) as reply:
            parts, size = [], 0
            async for part in reply.aiter_raw():
                size += len(part)
                if size > MAX_ANSWER_BYTES:
                    raise Unavailable(
                        f"an answer of more than {MAX_ANSWER_BYTES} bytes"
                    )
                parts.append(part)
            return reply.status_code, b"".join(parts)


def _document(status: int, content: bytes) -> Json:
    if status != _OK:
        raise Unavailable(f"status {status}")
    return _read(lambda: answers.document(content))


def _read(read: Callable[[], _Value]) -> _Value:
    try:
        return read()
    except ValueError as error:
        raise Unavailable(f"not a node's answer: {error}") from None


def _path(contract: Principal) -> str:
    return f"{contract.address.text()}/{contract.name}"
