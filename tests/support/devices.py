"""Metering devices that are not there: they seal as an agent does, and can lie.

A `Device` is one register with its key and head. `enrol` writes the registry rows of
devices as the registry would leave them. Nothing here knows how intake judges.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from meterseal_aggregator.intake.port import Incoming
from meterseal_aggregator.registry.model import Claim, KeyValidity
from meterseal_aggregator.storage.database import Transaction
from meterseal_proto.enrolment import Genesis, RegisterStart, enrolment_hash
from meterseal_proto.errors import Reason
from meterseal_proto.keys import Algorithm, PublicKey, RootSecret, SealKey
from meterseal_proto.message import encode_seal
from meterseal_proto.seal import (
    Head,
    Header,
    OpenRecord,
    Seal,
    record_root,
    record_salt,
)
from meterseal_proto.units import EXPORT, MeterId, Quality, RegisterId

GENESIS = Genesis(chain_id=0x80000000, registry="ST000.registry", log_key="log+00+AA")
BEGAN_AT = 1_700_000_100 - 1_700_000_100 % 3600
CAPACITY_W = 10_000


@dataclass(frozen=True, slots=True)
class Sent:
    """A seal with its hash and its payload."""

    seal: Seal
    digest: bytes
    payload: bytes

    def by(self, agent: str) -> Incoming:
        """Return it as it arrives from an agent."""
        return Incoming(agent, self.payload, None)


@dataclass(slots=True)
class Device:
    """One register; `register_id` is the row that `enrol` gave it."""

    meter: MeterId
    register: RegisterId
    agent: str
    key: SealKey
    step: int
    start: RegisterStart
    link: bytes
    head: Head
    salt_key: bytes = field(repr=False)
    register_id: int = 0

    def records(
        self, deltas: Sequence[int], *, quality: int = Quality.RAW
    ) -> tuple[OpenRecord, ...]:
        """Return the next records, one a delta, from where the head stands."""
        value, found = self.head.value, []
        for n, delta in enumerate(deltas):
            value += delta
            start = self.head.end + n * self.step
            found.append(OpenRecord(start, delta, value, quality))
        return tuple(found)

    def next_header(self, first: int | None = None, step: int = 0) -> Header:
        """Return the header that follows, still without records."""
        return Header(
            GENESIS.network, self.meter, self.register,
            self.head.end if first is None else first, step or self.step, 0,
            self.head.seq + 1, self.head.hash, bytes(32),
        )  # fmt: skip

    def seal(self, records: Sequence[OpenRecord], header: Header | None = None) -> Sent:
        """Seal `records` under `header`, whose count and root follow from them."""
        base = header or self.next_header(records[0].start)
        salts = tuple(
            record_salt(self.salt_key, self.register, r.start, base.step, r.revision)
            for r in records
        )
        root = record_root(records, salts)
        return self.sign(replace(base, count=len(records), root=root), records, salts)

    def sign(
        self, header: Header, records: Sequence[OpenRecord], salts: Sequence[bytes]
    ) -> Sent:
        """Sign exactly this header."""
        digest = header.digest(GENESIS.chain_id)
        seal = Seal(header, self.key.sign(digest), tuple(records), tuple(salts))
        return Sent(seal, digest, encode_seal(seal))

    def answered(self, sent: Sent, reason: Reason | None = None) -> None:
        """Move the head as a device does once a seal was answered."""
        value = sent.seal.records[-1].value
        self.head = self.head.after(sent.seal.header, sent.digest, value, reason)

    def tell(self, *deltas: int) -> Sent:
        """Seal the next intervals and take them as accepted."""
        sent = self.seal(self.records(deltas))
        self.answered(sent)
        return sent


def claim_of(one: Device, *keys: KeyValidity) -> Claim:
    """Return what the registry says of a device; without `keys` its own is for ever."""
    return Claim(
        one.register_id, one.meter, one.register, one.agent, one.step, CAPACITY_W,
        one.link, one.start.value, one.start.at,
        keys or (KeyValidity(one.key.public, 1, None),),
    )  # fmt: skip


def device(
    number: int = 1,
    *,
    agent: str = "pi-1",
    register: RegisterId = EXPORT,
    step: int = 900,
    value: int = 1_000,
    algorithm: Algorithm = Algorithm.SECP256K1,
) -> Device:
    """Return device `number`; the same number is the same meter."""
    meter = MeterId(number.to_bytes(16))
    secret = RootSecret(number.to_bytes(32))
    key = secret.seal_key(algorithm)
    start = RegisterStart(register, step, value, BEGAN_AT)
    link = enrolment_hash(GENESIS.network, meter, start, key.public)
    head = Head(0, link, BEGAN_AT, value)
    salt_key = secret.salt_key(meter)
    return Device(meter, register, agent, key, step, start, link, head, salt_key)


async def enrol(tx: Transaction, devices: Sequence[Device]) -> None:
    """Write meters, registers and keys of new devices, each meter with one register."""
    ((last,),) = await tx.rows("SELECT coalesce(max(id), 0) FROM meters")
    for number, one in enumerate(devices, last + 1):
        one.register_id = number
    await tx.many(
        "INSERT INTO meters (id, meter, serial, profile, agent, enrolled_at)"
        " VALUES (?, ?, ?, 'test', ?, ?)",
        [(d.register_id, d.meter, d.meter.hex(), d.agent, BEGAN_AT) for d in devices],
    )
    await tx.many(
        "INSERT INTO registers (id, meter_id, register, step, capacity_w,"
        " initial_value, initial_at, enrolment_hash) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (d.register_id, d.register_id, d.register, d.step, CAPACITY_W,
             d.start.value, d.start.at, d.link)
            for d in devices
        ],
    )  # fmt: skip
    await add_keys(tx, [(d.register_id, d.key.public, 1) for d in devices])


async def rotate(
    tx: Transaction, one: Device, public: PublicKey | None, *, last_seq: int
) -> None:
    """End the device's key after `last_seq`; `public`, if any, speaks from there on."""
    await tx.rows(
        "UPDATE key_spans SET to_seq = ?, ended_by = 'rotation'"
        " WHERE register_id = ? AND to_seq IS NULL",
        (last_seq, one.register_id),
    )
    if public is not None:
        await add_keys(tx, [(one.register_id, public, last_seq + 1)])


async def add_keys(tx: Transaction, keys: Sequence[tuple[int, PublicKey, int]]) -> None:
    """Write keys as (register row, key, first seq)."""
    ((last,),) = await tx.rows("SELECT coalesce(max(id), 0) FROM meter_keys")
    numbered = list(enumerate(keys, last + 1))
    await tx.many(
        "INSERT INTO meter_keys (id, meter_id, algorithm, public, enrolled_at)"
        " VALUES (?, ?, ?, ?, ?)",
        [(n, row, str(k.algorithm), k.raw, BEGAN_AT) for n, (row, k, _) in numbered],
    )
    await tx.many(
        "INSERT INTO key_spans (id, key_id, register_id, from_seq, log_entry_id)"
        " VALUES (?, ?, ?, ?, ?)",
        [(n, n, row, first, n) for n, (row, _, first) in numbered],
    )
