"""The wire to witnesses: one POST over TLS, a short answer or none.

Whether an answer is true, its signature tells; TLS is for the way to it. This module must
never take one witness's word for another's.
"""

import ssl
from dataclasses import dataclass, field
from typing import Final

import structlog

from meterseal_aggregator.app.clienttls import context
from meterseal_aggregator.app.house import House
from meterseal_aggregator.config import Witness
from meterseal_aggregator.httpclient import Answer, Bounds, HttpClient
from meterseal_aggregator.translog import witnessing
from meterseal_proto.cosignature import parse_cosigner
from meterseal_proto.errors import Unavailable
from meterseal_proto.witness import MAX_ANSWER_BYTES, PATH

ANSWER_WITHIN_S: Final = 10.0
"""A witness writes one row and signs; two requests fit a lease three times over."""
_MEDIA_TYPE: Final = "text/plain; charset=utf-8"
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class WitnessClient:
    """The way to one witness; `url` is its submission prefix, `tls` None is the machine's."""

    url: str
    tls: ssl.SSLContext | None = field(default=None, repr=False)

    async def post(self, body: bytes) -> Answer:
        """Send a request to add-checkpoint; Unavailable when no answer comes in time."""
        client = HttpClient(Bounds(ANSWER_WITHIN_S, MAX_ANSWER_BYTES), self.tls)
        try:
            return await client.post(self.url.rstrip("/") + PATH, body, _MEDIA_TYPE)
        finally:
            await client.close()


def open_lines(house: House) -> tuple[witnessing.Witness, ...]:
    """Return the configured witnesses; ConfigError when a TLS file is of no use."""
    return tuple(
        witnessing.Witness(
            parse_cosigner(one.key), WitnessClient(one.url, _tls(one)).post
        )
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


def _tls(one: Witness) -> ssl.SSLContext | None:
    if one.tls is None:
        return None
    return context(one.tls, f"[witnesses.tls] of {one.url}")
