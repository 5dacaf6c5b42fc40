"""The message down: the aggregator's signed answer to seals it was sent.

    [1, network, agent, log-by, [[meter, register, seq, hash], ...],
        [[meter, register, seq, hash, reason], ...], signature]

`durable` promises that every seal of the register up to `seq` is answered and that
header `hash` will be in the log by `log-by`: a later absence is proof of misconduct.
`refused` names single seals with a reason. `agent` is whom it answers: what one agent
was told means nothing to another. Only such an answer empties an outbox;
MQTT's PUBACK never does. The Ed25519 receipt key is apart from the log key. This
module must never be asked to sign what is not yet committed.
"""

from dataclasses import dataclass
from typing import Final, TypeVar

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)

from meterseal_proto.boundedjson import uint
from meterseal_proto.encoding import Value, appended, decode, encode
from meterseal_proto.errors import Malformed, Reason
from meterseal_proto.topics import check_name
from meterseal_proto.units import MAX_REGISTER, METER_ID_BYTES, MeterId, RegisterId

RECEIPT_VERSION: Final = 1
MAX_ANSWERS: Final = 500
"""Answers a message: 500 of 60 bytes stay well inside one MQTT message of 64 KiB."""
LOG_WITHIN_S: Final = 60
"""The log's maximum merge delay: a receipted seal has its index within a minute, of real
time: where the network's clock runs faster, the promise is that many times longer."""

_T = TypeVar("_T")
_DOMAIN: Final = b"meterseal/receipt/v1\x00"


@dataclass(frozen=True, slots=True)
class Answer:
    """A register's seals are durable up to `seq`, whose header hash is `hash`."""

    meter: MeterId
    register: RegisterId
    seq: int
    hash: bytes


@dataclass(frozen=True, slots=True)
class Refusal:
    """One seal that was not accepted as it came, and why."""

    meter: MeterId
    register: RegisterId
    seq: int
    hash: bytes
    reason: Reason


@dataclass(frozen=True, slots=True)
class Receipt:
    """All answers of one moment to one agent; `log_by` in UTC Unix seconds.

    `network` is the 32-byte network id, `agent` the name in the agent's topics.
    """

    network: bytes
    agent: str
    log_by: int
    durable: tuple[Answer, ...]
    refused: tuple[Refusal, ...] = ()


def sign_receipt(receipt: Receipt, key: Ed25519PrivateKey) -> bytes:
    """Return the payload for an agent's `down` topic."""
    body = encode(_body(receipt))
    return appended(body, key.sign(_DOMAIN + body))


def open_receipt(payload: bytes, key: Ed25519PublicKey) -> Receipt:
    """Return the receipt in `payload` once its signature verified under `key`.

    Raises Malformed for anything that is not exactly a receipt signed by this key.
    """
    fields = decode(payload)
    if (
        not isinstance(fields, tuple)
        or len(fields) != 7
        or fields[0] != RECEIPT_VERSION
    ):
        raise Malformed("not a receipt")
    try:
        _, network, agent, log_by, durable, refused, signature = fields
        receipt = Receipt(
            _bytes(network, 32),
            check_name(_exact(agent, str)),
            uint(log_by, "log-by"),
            tuple(_answer(row) for row in _exact(durable, tuple)),
            tuple(_refusal(row) for row in _exact(refused, tuple)),
        )
        key.verify(_exact(signature, bytes), _DOMAIN + encode(_body(receipt)))
    except (TypeError, ValueError):
        raise Malformed("a receipt with a field of the wrong shape") from None
    except InvalidSignature:
        raise Malformed(
            "the receipt is not signed by this aggregator's receipt key"
        ) from None
    return receipt


def _body(receipt: Receipt) -> list[Value]:
    return [
        RECEIPT_VERSION,
        receipt.network,
        receipt.agent,
        receipt.log_by,
        [[a.meter, a.register, a.seq, a.hash] for a in receipt.durable],
        [[r.meter, r.register, r.seq, r.hash, int(r.reason)] for r in receipt.refused],
    ]


def _exact(value: object, kind: type[_T]) -> _T:
    if type(value) is not kind:
        raise TypeError(f"expected {kind.__name__}")
    return value


def _bytes(value: object, length: int) -> bytes:
    found = _exact(value, bytes)
    if len(found) != length:
        raise ValueError(f"expected {length} bytes")
    return found


def _answer(row: Value) -> Answer:
    meter, register, seq, digest = _exact(row, tuple)
    return Answer(
        MeterId(_bytes(meter, METER_ID_BYTES)),
        RegisterId(uint(register, "register", MAX_REGISTER)),
        uint(seq, "seq"),
        _bytes(digest, 32),
    )


def _refusal(row: Value) -> Refusal:
    *rest, reason = _exact(row, tuple)
    answer = _answer(tuple(rest))
    found = Reason(_exact(reason, int))
    return Refusal(answer.meter, answer.register, answer.seq, answer.hash, found)
