"""SMS by a gateway over HTTP: one JSON POST a letter, as most providers and boxes take it.

    {"id": "5f...", "to": "+254700000000", "text": "Bill 2026-000042: ..."}

The gateway sees number and text; give it a token of its own. This module must never speak
to one in the open unless it is on this machine.
"""

import json
import ssl
from typing import Final
from urllib.parse import urlsplit

from meterseal_aggregator.httpclient import Bounds, HttpClient
from meterseal_aggregator.notices.model import Letter
from meterseal_aggregator.notices.outlets.answers import settle
from meterseal_proto.loopback import is_loopback

BOUNDS: Final = Bounds(within_s=15, most_bytes=1 << 16)
MEDIA_TYPE: Final = "application/json"


class SmsGateway:
    """Posts to `url`, with `token` as bearer where there is one; ValueError off TLS."""

    def __init__(
        self, url: str, token: str | None = None, tls: ssl.SSLContext | None = None
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme != "https" and not is_loopback(parts.hostname or ""):
            raise ValueError(f"{url} is not this machine: write https://")
        self._url = url
        self._client = HttpClient(BOUNDS, tls, token)

    async def send(self, letter: Letter) -> None:
        """Hand a letter's short text over; raises as the port says."""
        body = {"id": letter.id, "to": letter.address.to, "text": letter.short}
        headers = {"idempotency-key": letter.id}
        data = json.dumps(body, ensure_ascii=False).encode()
        settle(await self._client.post(self._url, data, MEDIA_TYPE, headers))

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()
