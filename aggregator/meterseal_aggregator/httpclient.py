"""Ask another program over HTTP: an answer bounded in bytes and time, or why there is none.

    client = HttpClient(Bounds(within_s=10, most_bytes=4 << 20))
    answer = await client.get("https://node.example/v2/info")
    await client.close()

What an answer means is its reader's affair. This module must never follow a redirect, take
a proxy from the environment, unpack an answer, keep it longer than its bounds, or log it.
"""

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import httpx2

from meterseal_proto.errors import TooLong, Unavailable

_REDIRECTS: Final = range(300, 400)


@dataclass(frozen=True, slots=True)
class Bounds:
    """How long the whole of an exchange may take, and how long its answer may be."""

    within_s: float
    most_bytes: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: HTTP `status`, media type in lower case without parameters, the body."""

    status: int
    media_type: str
    body: bytes = field(repr=False)


class HttpClient:
    """Keeps connections open between exchanges; `tls` None trusts what this machine trusts.

    `bearer` is the token that every request carries (RFC 6750 2.1). With `pinned`, an IP
    address, it connects there whatever a name in the URL resolves to; TLS and the Host
    header keep to the name, of which such a client speaks to one only.
    """

    def __init__(
        self,
        bounds: Bounds,
        tls: ssl.SSLContext | None = None,
        bearer: str | None = None,
        pinned: str | None = None,
    ) -> None:
        self._bounds = bounds
        self._pinned = pinned
        self._client = httpx2.AsyncClient(
            verify=True if tls is None else tls,
            timeout=bounds.within_s,
            headers={} if bearer is None else {"authorization": f"Bearer {bearer}"},
            trust_env=False,
            follow_redirects=False,
        )

    async def get(self, url: str) -> Answer:
        """Return the answer whatever its status; Unavailable when none comes in bounds."""
        return await self._exchange("GET", url, None, {})

    async def post(
        self,
        url: str,
        body: bytes,
        media_type: str,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Return the answer whatever its status; Unavailable when none comes in bounds."""
        told = {"content-type": media_type, **(headers or {})}
        return await self._exchange("POST", url, body, told)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _exchange(
        self, method: str, url: str, body: bytes | None, headers: dict[str, str]
    ) -> Answer:
        try:
            # The whole of it: the client's own limit begins anew with every byte.
            async with asyncio.timeout(self._bounds.within_s):
                return await self._stream(method, url, body, headers)
        except TimeoutError:
            text = f"no answer within {self._bounds.within_s:g} s"
            raise Unavailable(text) from None
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise Unavailable(f"{type(error).__name__}: {error}") from error
        except ssl.SSLError as error:
            raise Unavailable(f"TLS: {error}") from error

    async def _stream(
        self, method: str, url: str, body: bytes | None, headers: dict[str, str]
    ) -> Answer:
        # Packed, an answer could grow a thousandfold before it is counted.
        plain = {"accept-encoding": "identity", **headers}
        there, name = httpx2.URL(url), {}
        if self._pinned is not None:
            plain["host"] = there.netloc.decode()
            name = {"sni_hostname": there.host}
            there = there.copy_with(host=self._pinned)
        async with self._client.stream(
            method, there, content=body, headers=plain, extensions=name
        ) as reply:
            if reply.status_code in _REDIRECTS:
                raise Unavailable(f"status {reply.status_code}: it is not there")
            media_type = reply.headers.get("content-type", "").partition(";")[0]
            return Answer(
                reply.status_code, media_type.strip().lower(), await self._read(reply)
            )

    async def _read(self, reply: httpx2.Response) -> bytes:
        parts, size = [], 0
        async for part in reply.aiter_raw():
            size += len(part)
            if size > self._bounds.most_bytes:
                raise TooLong(f"an answer of more than {self._bounds.most_bytes} bytes")
            parts.append(part)
        return b"".join(parts)
