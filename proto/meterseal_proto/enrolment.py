"""Enrolment and rotation: the network's genesis, a register's first link, the calls' shapes.

The network id is the hash of the genesis document, so every header names the log key
it will be logged under. `POST /v1/enrolments` takes an EnrolmentRequest and answers an
EnrolmentAnswer; `POST /v1/rotations` takes a Rotation, which the old and the new key
sign. All are plain JSON. Nothing here holds a private key.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Self

from meterseal_proto.boundedjson import read_json, uint
from meterseal_proto.encoding import Value, encode
from meterseal_proto.keys import PublicKey, SealKey
from meterseal_proto.seal import MODE_OPEN
from meterseal_proto.units import MeterId, RegisterId, obis_text, parse_obis

MAX_METERS: Final = 247
"""Meters an agent serves: the unit addresses of one RS-485 bus."""
MAX_BRACKETS: Final = 4_096
"""An answer opens one a meter and one a register: 247 meters of a dozen registers."""
MAX_TEXT: Final = 65_536
"""Characters of a text: a certificate with its chain takes a tenth."""
MAX_CHAIN_ID: Final = (1 << 32) - 1
_LINK: Final = b"meterseal/enrolment/v1\x00"
_POSSESSION: Final = b"meterseal/enrolment-possession/v1\x00"
_ROTATION: Final = b"meterseal/rotation/v1\x00"


@dataclass(frozen=True, slots=True)
class Genesis:
    """What a network is: chain id, the registry's principal, and the log's verifier key.

    `log_key` is the C2SP signed-note vkey of the log.
    """

    chain_id: int
    registry: str
    log_key: str

    def document(self) -> bytes:
        """Return the canonical bytes that the network id is the hash of."""
        return encode(
            {
                "chain_id": self.chain_id,
                "log_key": self.log_key,
                "registry": self.registry,
            }
        )

    @property
    def network(self) -> bytes:
        """The network id, 32 bytes."""
        return hashlib.sha256(self.document()).digest()


@dataclass(frozen=True, slots=True)
class RegisterStart:
    """A register as it stood at enrolment: `value` at grid time `at`, read every `step` s.

    `mode` is that of its seals, `bits` what its range proofs are of (0 for open ones). A
    committed register is enrolled with the value 0: what it shows is told to nobody, but
    may be kept by the aggregator as its device `sealed` it (backup.keep_start, hex).
    """

    register: RegisterId
    step: int
    value: int
    at: int
    mode: int = MODE_OPEN
    bits: int = 0
    sealed: str = ""

    @property
    def terms(self) -> tuple[int, ...]:
        """Mode and bits where the register is committed, nothing where it is open."""
        return (self.mode, self.bits) if self.mode else ()


def enrolment_hash(
    network: bytes, meter: MeterId, start: RegisterStart, public: PublicKey
) -> bytes:
    """Return the first `prev` of a register's chain, 32 bytes."""
    where: list[Value] = [network, meter, start.register]
    begin: list[Value] = [start.step, start.value, start.at]
    return hashlib.sha256(
        _LINK
        + encode([*where, *begin, str(public.algorithm), public.raw, *start.terms])
    ).digest()


def possession_digest(code: str, csr_pem: str) -> bytes:
    """Return the digest a device signs with its seal key to show that it holds it."""
    return hashlib.sha256(_POSSESSION + encode([code, csr_pem])).digest()


@dataclass(frozen=True, slots=True)
class Turn:
    """A register's first sequence number under a new key."""

    meter: MeterId
    register: RegisterId
    from_seq: int


def rotation_digest(network: bytes, turns: Sequence[Turn], public: PublicKey) -> bytes:
    """Return the 32-byte digest that the old key and the new key, `public`, both sign."""
    rows: list[Value] = [[t.meter, t.register, t.from_seq] for t in turns]
    body = encode([network, rows, str(public.algorithm), public.raw])
    return hashlib.sha256(_ROTATION + body).digest()


@dataclass(frozen=True, slots=True)
class Rotation:
    """A wish for a new key, signed by the old key and by the new one (64 bytes each)."""

    turns: tuple[Turn, ...]
    public: PublicKey
    old_signature: bytes
    new_signature: bytes

    @classmethod
    def sign(
        cls, network: bytes, turns: Sequence[Turn], old: SealKey, new: SealKey
    ) -> Self:
        """Return the wish with both signatures; the same turns give the same bytes."""
        digest = rotation_digest(network, turns, new.public)
        return cls(tuple(turns), new.public, old.sign(digest), new.sign(digest))

    def to_json(self) -> dict[str, Any]:
        """Return the JSON body; registers are named by OBIS code, bytes are hex."""
        return {
            "algorithm": str(self.public.algorithm),
            "seal_key": self.public.raw.hex(),
            "old_signature": self.old_signature.hex(),
            "new_signature": self.new_signature.hex(),
            "turns": [
                {
                    "meter": turn.meter.hex(),
                    "register": obis_text(turn.register),
                    "from_seq": turn.from_seq,
                }
                for turn in self.turns
            ],
        }


@dataclass(frozen=True, slots=True)
class MeterRequest:
    """A meter the agent asks to speak for; the installer read the registers."""

    serial: str
    profile: str
    capacity_w: int
    registers: tuple[RegisterStart, ...]


@dataclass(frozen=True, slots=True)
class EnrolmentRequest:
    """One agent's request: a one-time code, a CSR for its client certificate, its seal key."""

    code: str
    csr_pem: str
    algorithm: str
    seal_key: str
    possession: str
    meters: tuple[MeterRequest, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the JSON body; registers are named by OBIS code."""
        body = asdict(self)
        for meter in body["meters"]:
            for row in meter["registers"]:
                row["register"] = obis_text(row["register"])
                if row["mode"] == MODE_OPEN:
                    del row["mode"], row["bits"]
                if not row["sealed"]:
                    del row["sealed"]
        return body

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Return the request; KeyError, TypeError or ValueError when the shape is wrong."""
        body = read_json(text, brackets=MAX_BRACKETS)
        meters = tuple(
            MeterRequest(
                _text(m["serial"]), _text(m["profile"]), uint(m["capacity_w"], "capacity_w"),
                tuple(
                    RegisterStart(
                        parse_obis(_text(r["register"])),
                        uint(r["step"], "step"), uint(r["value"], "value"),
                        uint(r["at"], "at"), uint(r.get("mode", 0), "mode"),
                        uint(r.get("bits", 0), "bits"), _text(r.get("sealed", "")),
                    )
                    for r in m["registers"]
                ),
            )
            for m in body["meters"]
        )  # fmt: skip
        return cls(
            code=_text(body["code"]),
            csr_pem=_text(body["csr_pem"]),
            algorithm=_text(body["algorithm"]),
            seal_key=_text(body["seal_key"]),
            possession=_text(body["possession"]),
            meters=meters,
        )


@dataclass(frozen=True, slots=True)
class EnrolledMeter:
    """The id a meter was given; `serial` tells which."""

    serial: str
    meter: str


@dataclass(frozen=True, slots=True)
class RegisterHead:
    """Where a register's chain stands: what a replacing agent goes on from.

    `meter` and `hash` are hex, `register` is OBIS text; `end` and `value` as in Head. A
    committed register's that is replaced has besides the digest that its next `opening`
    names as the one before it, hex, and its `starts`: what it showed at grid times, as its
    devices sealed it. They stand in no other's.
    """

    meter: str
    register: str
    seq: int
    hash: str
    end: int
    value: int
    opening: str = ""
    starts: tuple[tuple[int, str], ...] = ()

    @classmethod
    def read(cls, fields: dict[str, Any]) -> Self:  # Any: a JSON object
        """Return the head in a JSON object; TypeError or ValueError for another shape."""
        starts = tuple(
            (uint(at, "starts"), _text(sealed))
            for at, sealed in fields.pop("starts", ())
        )
        head = cls(**fields, starts=starts)
        for text in (head.meter, head.register, head.hash, head.opening):
            _text(text)
        for name in ("seq", "end", "value"):
            uint(getattr(head, name), name)
        return head


@dataclass(frozen=True, slots=True)
class EnrolmentAnswer:
    """What an agent needs from now on: its name and certificate, meter ids, and whom to trust.

    `genesis` is the hex of the genesis document; keys are hex except the log's vkey, which
    is inside the genesis; `broker` is host:port of the MQTT endpoint; `heads` is filled
    when the meters have chains already (a replacement).
    """

    agent: str
    network_name: str
    certificate_pem: str
    ca_pem: str
    genesis: str
    chain_id: int
    registry: str
    log_key: str
    receipt_key: str
    trustee_keys: tuple[str, ...]
    broker: str
    broker_tls: bool
    meters: tuple[EnrolledMeter, ...]
    heads: tuple[RegisterHead, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the JSON body; a head names an opening and starts only where it has them."""
        body = asdict(self)
        for head in body["heads"]:
            if not head["opening"]:
                del head["opening"]
            if not head["starts"]:
                del head["starts"]
        return body

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Return the answer; KeyError, TypeError or ValueError when the shape is wrong."""
        body = read_json(text, brackets=MAX_BRACKETS)
        body["meters"] = tuple(EnrolledMeter(**meter) for meter in body["meters"])
        body["trustee_keys"] = tuple(_text(key) for key in body["trustee_keys"])
        body["heads"] = tuple(map(RegisterHead.read, body.get("heads", ())))
        answer = cls(**body)
        answer._check()
        if (
            Genesis(answer.chain_id, answer.registry, answer.log_key).document().hex()
            != answer.genesis
        ):
            raise ValueError("the answer's genesis document does not match its keys")
        return answer

    def _check(self) -> None:
        """Raise ValueError where a value is of another kind than its field, or too large."""
        for name in (
            *("agent", "network_name", "certificate_pem", "ca_pem", "genesis"),
            *("registry", "log_key", "receipt_key", "broker"),
        ):
            _text(getattr(self, name))
        uint(self.chain_id, "chain_id", MAX_CHAIN_ID)
        if type(self.broker_tls) is not bool:
            raise ValueError("broker_tls: true or false")
        for meter in self.meters:
            _text(meter.serial)
            _text(meter.meter)


def _text(value: object) -> str:
    if type(value) is not str or len(value) > MAX_TEXT:
        raise ValueError(f"a text of at most {MAX_TEXT} characters")
    return value
