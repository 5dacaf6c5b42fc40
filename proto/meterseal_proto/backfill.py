"""The other message down: the aggregator asks for telemetry that it lacks.

    ["backfill", 1, network, agent, until, [[meter, begin, end], ...], signature]

It is signed by the receipt key, as receipts are, and good until `until`, so that a pipe
which repeats old messages cannot keep an agent busy. It names spans of time, never
values. This module must never ask for seals: those come again by themselves.
"""

from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)

from meterseal_proto.boundedjson import uint
from meterseal_proto.encoding import Value, appended, decode, encode
from meterseal_proto.errors import Malformed
from meterseal_proto.spans import Span
from meterseal_proto.topics import check_name
from meterseal_proto.units import METER_ID_BYTES, MeterId

BACKFILL_VERSION: Final = 1
MAX_WANTED: Final = 64
"""Spans of a request: a gap map has a handful, and more can be asked for next time."""
KIND: Final = "backfill"

_DOMAIN: Final = b"meterseal/backfill/v1\x00"
_FIELDS: Final = 7
_BEGINS: Final = bytes([0x80 | _FIELDS]) + encode(KIND)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A span of one meter's telemetry that the aggregator lacks."""

    meter: MeterId
    span: Span


@dataclass(frozen=True, slots=True)
class Backfill:
    """What one agent is asked to send again; `until` in UTC Unix seconds.

    `network` is the 32-byte network id, `agent` the name in the agent's topics.
    """

    network: bytes
    agent: str
    until: int
    wanted: tuple[Wanted, ...]


def is_backfill(payload: bytes) -> bool:
    """Tell whether a message from `down` means to be a request, not a receipt."""
    return payload.startswith(_BEGINS)


def sign_backfill(request: Backfill, key: Ed25519PrivateKey) -> bytes:
    """Return the payload for an agent's `down` topic."""
    body = encode(_body(request))
    return appended(body, key.sign(_DOMAIN + body))


def open_backfill(payload: bytes, key: Ed25519PublicKey) -> Backfill:
    """Return the request in `payload` once its signature verified under `key`.

    Raises Malformed for anything that is not exactly a request signed by this key.
    """
    fields = decode(payload)
    if not isinstance(fields, tuple) or len(fields) != _FIELDS:
        raise Malformed("not a backfill request")
    kind, version, network, agent, until, wanted, signature = fields
    if (kind, version) != (KIND, BACKFILL_VERSION) or type(version) is not int:
        raise Malformed(f"a message of another kind, or no version {BACKFILL_VERSION}")
    try:
        request = Backfill(
            _bytes(network, 32), _name(agent), uint(until, "until"), _wanted(wanted)
        )
        key.verify(_bytes(signature, 64), _DOMAIN + encode(_body(request)))
    except ValueError as error:
        raise Malformed(f"a backfill request of the wrong shape: {error}") from None
    except InvalidSignature:
        raise Malformed(
            "the backfill request is not signed by this aggregator's receipt key"
        ) from None
    return request


def _body(request: Backfill) -> list[Value]:
    spans: list[Value] = [[w.meter, w.span.begin, w.span.end] for w in request.wanted]
    head: list[Value] = [KIND, BACKFILL_VERSION, request.network, request.agent]
    return [*head, request.until, spans]


def _wanted(rows: Value) -> tuple[Wanted, ...]:
    if not isinstance(rows, tuple) or not 1 <= len(rows) <= MAX_WANTED:
        raise ValueError(f"1 to {MAX_WANTED} spans")
    found = []
    for row in rows:
        if not isinstance(row, tuple) or len(row) != 3:
            raise ValueError("a span is a meter, its begin and its end")
        meter, begin, end = row
        span = Span(uint(begin, "begin"), uint(end, "end"))
        found.append(Wanted(MeterId(_bytes(meter, METER_ID_BYTES)), span))
    return tuple(found)


def _name(value: Value) -> str:
    if not isinstance(value, str):
        raise ValueError("agent: a text")  # noqa: TRY004 - one kind of error for a shape
    return check_name(value)


def _bytes(value: Value, length: int) -> bytes:
    if not isinstance(value, bytes) or len(value) != length:
        raise ValueError(f"expected {length} bytes")
    return value
