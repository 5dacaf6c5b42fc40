"""The wire to witnesses: one POST over TLS, a short answer or none.

This module must never follow a redirect, read an endless answer, or take a proxy from the
environment. Whether an answer is true, its signature tells; TLS is for the way to it.
"""

import asyncio
import ssl
from dataclasses import dataclass, field
from typing import Final

import httpx2
import structlog

from meterseal_aggregator.app.clienttls import context
from meterseal_aggregator.app.house import House
from meterseal_aggregator.config import Witness
from meterseal_aggregator.translog import witnessing
from meterseal_aggregator.translog.witnessing import Answer
from meterseal_proto.cosignature import parse_cosigner
from meterseal_proto.errors import Unavailable
from meterseal_proto.witness import MAX_ANSWER_BYTES, PATH

ANSWER_WITHIN_S: Final = 10.0
"""A witness writes one row and signs; two requests fit a lease three times over."""
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Line:
    """The way to one witness; `url` is its submission prefix."""

    url: str
    tls: ssl.SSLContext = field(repr=False)

    async def post(self, body: bytes) -> Answer:
        """Send a request to add-checkpoint; Unavailable when no answer comes in time."""
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S), self._client() as client:
                return await _exchange(client, self.url.rstrip("/") + PATH, body)
        except TimeoutError:
            text = f"no answer within {ANSWER_WITHIN_S:.0f} s"
            raise Unavailable(text) from None
        except (httpx2.HTTPError, httpx2.InvalidURL, ssl.SSLError) as error:
            raise Unavailable(f"{type(error).__name__}: {error}") from error

    def _client(self) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(
            verify=self.tls, timeout=ANSWER_WITHIN_S, trust_env=False
        )


def open_lines(house: House) -> tuple[witnessing.Witness, ...]:
    """Return the configured witnesses; ConfigError when a TLS file is of no use."""
    return tuple(
        witnessing.Witness(parse_cosigner(one.key), Line(one.url, _tls(one)).post)
        for one in house.config.witnesses
    )


async def ask(house: House, witnesses: tuple[witnessing.Witness, ...]) -> int:
    """Have the newest checkpoint cosigned; returns by how many witnesses it was just now.

    Raises Unavailable after all were asked, when one of them did not cosign.
    """
    asked = await witnessing.ask_all(house.database, witnesses)
    for trouble in asked.troubles:
        if trouble.contradicts:
            _log.error("witness_contradicts", who=trouble.witness, why=trouble.text)
        else:
            _log.warning("witness_silent", who=trouble.witness, why=trouble.text)
    if asked.troubles:
        names = ", ".join(trouble.witness for trouble in asked.troubles)
        raise Unavailable(f"not cosigned by {names}; {asked.kept} others did")
    return asked.kept


async def _exchange(client: httpx2.AsyncClient, url: str, body: bytes) -> Answer:
    # Packed, an answer could grow a thousandfold before it is counted.
    headers = {
        "Content-Type": "text/plain; charset=utf-8",
        "Accept-Encoding": "identity",
    }
    async with client.stream("POST", url, content=body, headers=headers) as reply:
        parts, size = [], 0
        async for part in reply.aiter_raw():
            size += len(part)
            if size > MAX_ANSWER_BYTES:
                raise Unavailable(f"an answer of more than {MAX_ANSWER_BYTES} bytes")
            parts.append(part)
        kind = reply.headers.get("content-type", "").partition(";")[0].strip()
        return Answer(reply.status_code, kind, b"".join(parts))


def _tls(one: Witness) -> ssl.SSLContext:
    if one.tls is None:
        return ssl.create_default_context()
    return context(one.tls, f"[witnesses.tls] of {one.url}")
