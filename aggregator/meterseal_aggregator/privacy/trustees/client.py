"""Ask one trustee: a question as JSON over mutual TLS, an answer or why there is none.

    client = TrusteeClient("https://trustee.example:8450", context)
    found = await client.ask("/v1/sets", body)     # Unavailable, or Declined with its words
    await client.close()

Whether an answer is true, its signature tells (`spelling`); TLS only keeps others out.
This module must never log a body.
"""

import json
import ssl
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from meterseal_aggregator.httpclient import Answer, Bounds, HttpClient
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


class TrusteeClient:
    """One trustee's address, and our certificate for it."""

    def __init__(self, url: str, tls: ssl.SSLContext | None) -> None:
        self._url = url.rstrip("/")
        self._client = HttpClient(Bounds(ANSWER_WITHIN_S, MAX_ANSWER_BYTES), tls)

    async def ask(self, path: str, body: Mapping[str, object]) -> Json:
        """Ask; returns the answer's object (status 200 or 202).

        Raises Declined for a problem document below status 500, Unavailable for anything
        else that is no answer.
        """
        asked = json.dumps(dict(body)).encode()
        return _told(
            await self._client.post(self._url + path, asked, "application/json")
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()


def _told(answer: Answer) -> Json:
    try:
        found = read_json(answer.body, brackets=MAX_BRACKETS)
    except ValueError:
        found = None
    if not isinstance(found, dict) or answer.status >= _SERVER_ERROR:
        raise Unavailable(f"no answer of a trustee's, but status {answer.status}")
    if answer.status not in (200, 202):
        kind, detail = str(found.get("type", "")), str(found.get("detail", ""))
        raise Declined(kind.rpartition(":")[2], detail)
    return found
