"""The line to one trustee: a question as JSON over mutual TLS, an answer or why there is none.

    line = Line("https://trustee.example:8450", context)
    found = await line.ask("/v1/sets", body)       # Unavailable, or Declined with its words
    await line.close()

Whether an answer is true, its signature tells (`spelling`); TLS only keeps others out.
This module must never follow a redirect, use a proxy of the environment, or log a body.
"""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import httpx2

from meterseal_proto.boundedjson import read_json
from meterseal_proto.errors import Unavailable

ANSWER_WITHIN_S: Final = 15.0
"""A trustee sums the masks of 2,000 meters in two seconds."""
MAX_ANSWER_BYTES: Final = 2 << 20
"""Mask commitments of 2,000 meters take 400 KiB."""
MAX_BRACKETS: Final = 4_096
"""One object for each of 2,000 meters, and few around them."""
MAX_WORDS: Final = 500
"""Characters of a refusal that are kept; a trustee's are a sentence."""
_SERVER_ERROR: Final = 500

Json = dict[str, Any]  # Any: JSON of another program, read field by field
Ask = Callable[[str, Mapping[str, object]], Awaitable[Json]]
"""Asks a trustee at a path; raises Unavailable or Declined."""


class Declined(Exception):
    """A trustee said no: the name of its rule, and its sentence."""

    def __init__(self, why: str, detail: str) -> None:
        super().__init__(detail)
        self.why = why[:MAX_WORDS] or "refused"
        self.detail = detail[:MAX_WORDS]


class Line:
    """One trustee's address, and our certificate for it."""

    def __init__(self, url: str, tls: ssl.SSLContext | None) -> None:
        self._url = url.rstrip("/")
        self._client = httpx2.AsyncClient(
            verify=tls if tls is not None else True,
            timeout=ANSWER_WITHIN_S,
            trust_env=False,
            follow_redirects=False,
        )

    async def ask(self, path: str, body: Mapping[str, object]) -> Json:
        """Ask; returns the answer's object (status 200 or 202).

        Raises Declined for a problem document below status 500, Unavailable for anything
        else that is no answer.
        """
        try:
            # The whole of it: the client's own limit begins anew with every byte.
            async with asyncio.timeout(ANSWER_WITHIN_S):
                status, content = await self._exchange(path, body)
        except TimeoutError:
            raise Unavailable(f"no answer within {ANSWER_WITHIN_S:g} s") from None
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise Unavailable(f"{type(error).__name__}: {error}") from error
        except ssl.SSLError as error:
            raise Unavailable(f"TLS: {error}") from error
        return _answer(status, content)

    async def _exchange(
        self, path: str, body: Mapping[str, object]
    ) -> tuple[int, bytes]:
        # Packed, an answer could grow a thousandfold before it is counted.
        plain = {"accept-encoding": "identity"}
        async with self._client.stream(
            "POST", self._url + path, json=dict(body), headers=plain
        ) as reply:
            return reply.status_code, await _read(reply)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()


async def _read(reply: httpx2.Response) -> bytes:
    parts, size = [], 0
    async for part in reply.aiter_raw():
        size += len(part)
        if size > MAX_ANSWER_BYTES:
            raise Unavailable(f"an answer of more than {MAX_ANSWER_BYTES} bytes")
        parts.append(part)
    return b"".join(parts)


def _answer(status: int, content: bytes) -> Json:
    try:
        found = read_json(content, brackets=MAX_BRACKETS)
    except ValueError:
        found = None
    if not isinstance(found, dict) or status >= _SERVER_ERROR:
        raise Unavailable(f"no answer of a trustee's, but status {status}")
    if status not in (200, 202):
        kind, detail = str(found.get("type", "")), str(found.get("detail", ""))
        raise Declined(kind.rpartition(":")[2], detail)
    return found
