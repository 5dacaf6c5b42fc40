"""The aggregator's enrolment call on a free port, with a real registry behind it."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

from meterseal_aggregator.registry.enrol import NetworkTerms, enrol
from meterseal_aggregator.registry.model import Moment, Refused
from meterseal_aggregator.registry.rekey import HeadsOf
from meterseal_proto.enrolment import EnrolmentRequest
from tests.support.enrolling import TERMS, Registry


class Desk:
    """Answers POST /v1/enrolments; while `down` it takes the request and hangs up."""

    def __init__(self, registry: Registry, now: Callable[[], float]) -> None:
        self.registry = registry
        self.now = now
        self.terms: NetworkTerms = TERMS
        self.down = False
        self.bodies: list[bytes] = []
        self.url = ""
        self.says: dict[str, object] = {}
        """What it says of the network that is not so."""

    def points_to(self, port: int, receipt_key: bytes) -> None:
        """Say where the broker is, and whose receipts count."""
        self.terms = replace(
            self.terms, broker=f"127.0.0.1:{port}", receipt_key=receipt_key
        )

    def knows(self, heads: HeadsOf) -> None:
        """Say where the chains stand, for a replacement."""
        self.terms = replace(self.terms, chain=replace(TERMS.chain, heads=heads))

    async def answer(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Answer one request, HTTP/1.1 as far as urllib needs it."""
        head = await reader.readuntil(b"\r\n\r\n")
        if head.startswith(b"GET /v1/network "):
            await self._reply(writer, "200 OK", self._network())
            return
        assert head.startswith(b"POST /v1/enrolments ")
        (length,) = (
            int(line.split(b":")[1])
            for line in head.split(b"\r\n")
            if line.lower().startswith(b"content-length:")
        )
        self.bodies.append(await reader.readexactly(length))
        status, body = await self._enrol(self.bodies[-1])
        await self._reply(writer, status, body)

    async def _reply(
        self, writer: asyncio.StreamWriter, status: str, body: bytes
    ) -> None:
        if not self.down:
            writer.write(
                f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n"
                "Connection: close\r\n\r\n".encode()
            )
            writer.write(body)
            await writer.drain()
        writer.close()

    def _network(self) -> bytes:
        terms = self.terms
        said = {
            "network": terms.genesis.network.hex(),
            "name": terms.network_name,
            "genesis": terms.genesis.document().hex(),
            "chain_id": terms.genesis.chain_id,
            "registry": terms.genesis.registry,
            "log_key": terms.genesis.log_key,
            "receipt_key": terms.receipt_key.hex(),
        }
        return json.dumps(said | self.says).encode()

    async def _enrol(self, body: bytes) -> tuple[str, bytes]:
        request = EnrolmentRequest.from_json(body)
        moment = Moment(int(self.now()), int(time.time()))
        try:
            async with self.registry.db.transaction() as tx:
                text = await enrol(tx, request, self.terms, moment)
        except Refused as no:
            kind = f"urn:meterseal:problem:{no.trouble.value}"
            problem = {"type": kind, "title": "Conflict", "detail": no.detail}
            return "409 Conflict", json.dumps(problem).encode()
        return "201 Created", text.encode()


@asynccontextmanager
async def a_desk(registry: Registry, now: Callable[[], float]) -> AsyncIterator[Desk]:
    """Open a desk on a free port."""
    desk = Desk(registry, now)
    server = await asyncio.start_server(desk.answer, "127.0.0.1", 0)
    desk.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield desk
    finally:
        server.close()
        await server.wait_closed()
