"""A node over its HTTP RPC: Stacks' /v2, and the /extended API where /v2 says nothing.

    node = HttpNode("https://api.example", Network.of(chain_id))
    await node.info()
    await node.close()

Every answer is bounded in bytes and time, and read strictly (`answers`); one that is not
of its form is Unavailable, for a proxy's page and a liar's are the same to us. This module
must never log an address.
"""

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from meterseal_aggregator.httpclient import Answer, Bounds, HttpClient
from meterseal_aggregator.stacks.node import answers
from meterseal_aggregator.stacks.node.answers import Header, Json
from meterseal_aggregator.stacks.node.blockpages import (
    BLOCKS_A_PAGE,
    printed_block,
    upwards,
)
from meterseal_aggregator.stacks.node.port import (
    Event,
    Fees,
    Found,
    Lost,
    Place,
    PrintedBlock,
    Refused,
    Tip,
    Unknown,
    Why,
)
from meterseal_aggregator.stacks.transaction import Network
from meterseal_proto.boundedjson import uint
from meterseal_proto.c32 import Address, Principal
from meterseal_proto.clarity import Optional, Value, encode
from meterseal_proto.errors import Unavailable

ANSWER_WITHIN_S: Final = 10.0
"""Nodes answer in a second; the longest look at a deed asks five times, inside a lease."""
MAX_ANSWER_BYTES: Final = 4 << 20
"""The largest Clarity value is 1 MiB, in hex 2, and what we ask about has none near it."""
MAX_ALONE_BYTES: Final = 64 << 20
"""One stranger's transaction with one event: its arguments, its answer and the event, each
1 or 2 MiB, in hex and again as text, where a byte may become seven (`(some ...)`)."""
ALONE_WITHIN_S: Final = 60.0
"""So long an answer may take its time: it comes once, and without it nothing goes on."""
BLOCKS_WITHIN_S: Final = 10.0
"""After so long the rest of some blocks waits for another question: strangers fill them."""
PAGE: Final = 50
"""Events a page, the most that the API gives."""
MAX_PAGES: Final = 40
"""2,000 events between two looks; who is further behind begins again by blocks."""
_OK, _WRONG, _ABSENT = 200, 400, 404
_Value = TypeVar("_Value")


class HttpNode:
    """The node at `url` of one chain; `answer_within_s` bounds each answer as a whole."""

    def __init__(
        self, url: str, network: Network, *, answer_within_s: float = ANSWER_WITHIN_S
    ) -> None:
        self._url = url.rstrip("/")
        self._chain_id = network.chain_id
        self._client = HttpClient(Bounds(answer_within_s, MAX_ANSWER_BYTES))
        self._patient = HttpClient(Bounds(ALONE_WITHIN_S, MAX_ALONE_BYTES))
        self._tip = 0
        self._indexed = 0

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()
        await self._patient.close()

    async def info(self) -> Tip:
        """Ask /v2/info."""
        found = await self._get("/v2/info")
        tip = _read(lambda: answers.tip(found, self._chain_id))
        self._tip = tip.height
        return tip

    async def nonce(self, who: Principal) -> int:
        """Ask /v2/accounts."""
        return (await self._account(who))[0]

    async def balance(self, who: Principal) -> int:
        """Ask /v2/accounts."""
        return (await self._account(who))[1]

    async def send(self, raw: bytes) -> None:
        """Post to /v2/transactions."""
        answer = await self._client.post(
            self._url + "/v2/transactions", raw, "application/octet-stream"
        )
        if answer.status == _WRONG:
            raise _read(lambda: answers.refusal(answer.body))
        answered = _document(answer)
        _read(lambda: answers.block_hash(answered))

    async def found(self, txid: str) -> Found:
        """Ask /extended/v1/tx, once the API has the blocks that the node told of last."""
        await self._catch_up()
        answer = await self._client.get(f"{self._url}/extended/v1/tx/0x{txid}")
        if answer.status == _ABSENT:
            return Unknown.NOWHERE
        found = _document(answer)
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

    async def published(self, contract: Principal) -> int:
        """Ask /v2/contracts/source."""
        path = f"/v2/contracts/source/{_path(contract)}?proof=0"
        answer = await self._client.get(self._url + path)
        if answer.status == _ABSENT:
            raise Refused(Why.CONTRACT, f"no contract {contract.text()}")
        found = _document(answer)
        return _read(lambda: answers.published(found))

    async def block(self, height: int, publisher: Address) -> PrintedBlock | None:
        """Ask /extended/v2/blocks, and /extended/v1/tx for what was printed there."""
        answer = await self._client.get(f"{self._url}/extended/v2/blocks/{height}")
        if answer.status == _ABSENT:
            return None
        found = _document(answer)
        header = _read(lambda: answers.header(found, height))
        return await self._printed(header, publisher)

    async def blocks(
        self, height: int, most: int, publisher: Address
    ) -> list[PrintedBlock]:
        """Ask for a page of /extended/v2/blocks, and for those that have transactions.

        Pages count from the tip, which may move: then fewer come, or none.
        """
        tip = await self.info()
        last = min(tip.height, height + min(most, BLOCKS_A_PAGE) - 1)
        if last < height:
            return []
        page = f"?limit={last - height + 1}&offset={tip.height - last}"
        found = await self._get(f"/extended/v2/blocks{page}")
        headers = upwards(_read(lambda: answers.headers(found)), height, most)
        return await self._all_printed(headers, publisher)

    async def _all_printed(
        self, headers: Sequence[Header], publisher: Address
    ) -> list[PrintedBlock]:
        """Return the first of these blocks: what came in time is not lost by what did not."""
        until = asyncio.get_running_loop().time() + BLOCKS_WITHIN_S
        blocks: list[PrintedBlock] = []
        for header in headers:
            try:
                blocks.append(await self._printed(header, publisher))
            except Unavailable:
                if not blocks:
                    raise
                break
            if asyncio.get_running_loop().time() > until:
                break
        return blocks

    async def _printed(self, header: Header, publisher: Address) -> PrintedBlock:
        try:
            return await printed_block(self._page_of, header, publisher)
        except ValueError as error:
            raise Unavailable(f"not a node's answer: {error}") from None

    async def _page_of(self, path: str, things: int) -> Json:
        """Ask for a page of what strangers sent; a thing alone may be as long as it is."""
        client = self._patient if things == 1 else self._client
        answer = await client.get(self._url + path)
        if answer.status != _OK:
            raise Unavailable(f"status {answer.status}")
        # Elsewhere while it is read, for it may be long.
        return await asyncio.to_thread(_read, lambda: answers.page(answer.body))

    async def fee(self, payload: bytes, length: int) -> Fees:
        """Ask /v2/fees/transaction; of a node that has no estimate, its price by the byte."""
        body = {"transaction_payload": payload.hex(), "estimated_len": length}
        answer = await self._post("/v2/fees/transaction", body)
        if answer.status == _WRONG:
            by_byte = await self._get("/v2/fees/transfer")
            price = _read(lambda: uint(by_byte, "fee", answers.MAX_MICRO_STX // length))
            return Fees(price * length, price * length, price * length)
        found = _document(answer)
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

    async def _catch_up(self) -> None:
        """Raise Unavailable while the API is behind its node.

        It would say that ours are nowhere, and the node that their nonces are used: they
        would be sent again, and paid for, for as long as that lasts.
        """
        if self._indexed >= self._tip:
            return
        found = await self._get("/extended/v2/blocks?limit=1&offset=0")
        for newest in _read(lambda: answers.headers(found)):
            self._indexed = newest.height
        if self._indexed < self._tip:
            raise Unavailable(
                f"the API is at block {self._indexed}, its node at {self._tip}"
            )

    async def _page(self, contract: Principal, offset: int) -> list[Event | None]:
        where = f"/extended/v1/contract/{contract.text()}/events"
        found = await self._get(f"{where}?limit={PAGE}&offset={offset}")
        return _read(lambda: answers.events(found, contract))

    async def _account(self, who: Principal) -> tuple[int, int]:
        found = await self._get(f"/v2/accounts/{who.text()}?proof=0")
        return _read(lambda: answers.account(found))

    async def _get(self, path: str) -> Json:
        return _document(await self._client.get(self._url + path))

    async def _post(self, path: str, body: Json) -> Answer:
        asked = json.dumps(body).encode()
        return await self._client.post(self._url + path, asked, "application/json")

    async def _ask(self, path: str, body: Json) -> Json:
        """Ask about a contract: what is not there is refused, not unavailable."""
        answer = await self._post(path, body)
        if answer.status in (_WRONG, _ABSENT):
            said = answers.words(answer.body.decode("utf-8", "replace"))
            why = Why.CONTRACT if answer.status == _ABSENT else Why.ARGUMENT
            raise Refused(why, said)
        return _document(answer)


def _document(answer: Answer) -> Json:
    if answer.status != _OK:
        raise Unavailable(f"status {answer.status}")
    return _read(lambda: answers.document(answer.body))


def _read(read: Callable[[], _Value]) -> _Value:
    try:
        return read()
    except ValueError as error:
        raise Unavailable(f"not a node's answer: {error}") from None


def _path(contract: Principal) -> str:
    return f"{contract.address.text()}/{contract.name}"
