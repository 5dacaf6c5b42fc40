"""A member's own URL, called with a signed body (standardwebhooks.com, scheme v1).

    webhook-id: 5f...        webhook-timestamp: 1790000000
    webhook-signature: v1,<base64 of HMAC-SHA256(secret, "id.timestamp.body")>

The receiver refuses a timestamp that is far off and an id it has seen, so a copy is worth
nothing. A name is looked up once and that address is called, so it cannot change in
between. This module must never call into our own network, follow a redirect, or sign
for one member with another's secret.
"""

import asyncio
import base64
import hashlib
import hmac
import json
import socket
import ssl
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final
from urllib.parse import urlsplit

from meterseal_aggregator.httpclient import Bounds, HttpClient
from meterseal_aggregator.notices.model import Letter, Undeliverable
from meterseal_aggregator.notices.outlets.answers import settle
from meterseal_aggregator.notices.outlets.places import is_public
from meterseal_proto.errors import Unavailable
from meterseal_proto.loopback import is_loopback

BOUNDS: Final = Bounds(within_s=15, most_bytes=1 << 16)
MEDIA_TYPE: Final = "application/json"
SECRET_MARK: Final = "whsec_"  # noqa: S105 - how such secrets begin, by the same standard
PORTS: Final = {"https": 443, "http": 80}
LOOK_UPS: Final = 16
"""Names looked up at once: a run's letters. Whoever keeps a name server chooses how long one
takes, and nothing ends it before: so none is looked up on a thread that others wait for."""
Resolve = Callable[[str, int], Awaitable[list[str]]]
"""Looks a name and port up: its addresses as text. Raises OSError."""


def signature(secret: bytes, letter_id: str, at: int, body: bytes) -> str:
    """Return the signature header's value over an id, a Unix second and a body."""
    signed = f"{letter_id}.{at}.".encode() + body
    digest = hmac.new(secret, signed, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"


def secret_text(secret: bytes) -> str:
    """Return a secret as its receiver is told it, once."""
    return SECRET_MARK + base64.b64encode(secret).decode()


_names = ThreadPoolExecutor(LOOK_UPS, "webhook-names")


async def resolve(host: str, port: int) -> list[str]:
    """Look a name up as this machine does."""
    look = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
    found = await asyncio.get_running_loop().run_in_executor(_names, look)
    return [str(one[4][0]) for one in found]


class Webhook:
    """Calls public https URLs; `private` also those of our own network, and plain loopback.

    `now` gives real Unix seconds: receivers compare it with theirs.
    """

    def __init__(
        self,
        now: Callable[[], float],
        *,
        private: bool = False,
        tls: ssl.SSLContext | None = None,
        look_up: Resolve = resolve,
    ) -> None:
        self._now = now
        self._private = private
        self._tls = tls or ssl.create_default_context()
        self._look_up = look_up

    async def send(self, letter: Letter) -> None:
        """Call a letter's URL; raises as the port says, Undeliverable for one of ours."""
        url = letter.address.to
        client = HttpClient(BOUNDS, self._tls, pinned=await self._place(url))
        body = json.dumps(
            {
                "id": letter.id,
                "type": letter.kind.value,
                "at": letter.at,
                "text": letter.short,
                "link": letter.link,
            },
            ensure_ascii=False,
        ).encode()
        at = int(self._now())
        headers = {
            "webhook-id": letter.id,
            "webhook-timestamp": str(at),
            "webhook-signature": signature(letter.address.secret, letter.id, at, body),
        }
        try:
            settle(await client.post(url, body, MEDIA_TYPE, headers))
        finally:
            await client.close()

    async def _place(self, url: str) -> str:
        """Return the address to call; raises Undeliverable or Unavailable."""
        try:
            parts = urlsplit(url)
            host, port = parts.hostname or "", parts.port or PORTS[parts.scheme]
        except (ValueError, KeyError):
            raise Undeliverable("this is no URL of the web") from None
        plain = parts.scheme == "http"
        if plain and not (self._private and is_loopback(host)):
            raise Undeliverable("a webhook is called by https only")
        try:
            async with asyncio.timeout(BOUNDS.within_s):
                found = await self._look_up(host, port)
        except (OSError, TimeoutError, UnicodeError) as error:
            raise Unavailable(f"its name is not known: {error}") from error
        if not found:
            raise Unavailable("its name has no address")
        if not self._private and not all(map(is_public, found)):
            raise Undeliverable("it leads into a private network")
        return found[0]
