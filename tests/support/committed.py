"""A committed register's device: commits, seals, proves, bills, and can lie at each step.

A `CommittedDevice` follows the protocol as an agent would. What the tests change about a
day they change in the open: other commitments, another proof, another parcel.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from meterseal_aggregator.intake.port import Incoming
from meterseal_aggregator.storage.database import Transaction
from meterseal_proto import backup
from meterseal_proto.bill import BillStatement, ProvedBill, amount_of, sign_bill
from meterseal_proto.commitment import Slot
from meterseal_proto.committed import (
    CommittedRecord,
    CommittedSeal,
    Envelope,
    Parcel,
    header_over,
    openings_of,
    records_of,
    statement_of,
    summed_opening,
)
from meterseal_proto.committed_message import encode_committed
from meterseal_proto.enrolment import Genesis, RegisterStart, enrolment_hash
from meterseal_proto.errors import Reason
from meterseal_proto.keys import RootSecret, SealKey
from meterseal_proto.rangeproof import Statement
from meterseal_proto.rangeprover import Opening, prove
from meterseal_proto.seal import MODE_COMMITTED, Head, Header
from meterseal_proto.tariff import Band, MicroPerKwh, Tariff
from meterseal_proto.totals import day_place, masked
from meterseal_proto.units import IMPORT, MeterId, Quality, RegisterId
from tests.support.devices import BEGAN_AT, CAPACITY_W, GENESIS, add_keys

SEEDS = tuple(bytes([n]) * 32 for n in (1, 2, 3))
STORE_KEY = bytes(64)


@dataclass(frozen=True, slots=True)
class Day:
    """A day that is sealed, with what its device alone knows of it."""

    seal: CommittedSeal
    digest: bytes
    openings: tuple[Opening, ...] = field(repr=False)

    @property
    def payload(self) -> bytes:
        """The message up."""
        return encode_committed(self.seal)

    def by(self, agent: str) -> Incoming:
        """Return it as it arrives from an agent."""
        return Incoming(agent, self.payload, None)


_PROOFS: dict[tuple[Statement, bytes], bytes] = {}


def proved(statement: Statement, openings: Sequence[Opening]) -> bytes:
    """Return a proof, made once a process: many tests seal the same day, 0.1 s each."""
    hidden = [part.to_bytes() for one in openings for part in (one.value, one.blinding)]
    key = statement, b"".join(hidden)
    if key not in _PROOFS:
        _PROOFS[key] = prove(statement, openings)
    return _PROOFS[key]


@dataclass(slots=True)
class CommittedDevice:
    """One committed register; `register_id` is the row that `enrol` gave it."""

    meter: MeterId
    agent: str
    key: SealKey
    start: RegisterStart
    link: bytes
    head: Head
    register: RegisterId = IMPORT
    step: int = 900
    register_id: int = 0
    genesis: Genesis = GENESIS

    @property
    def bits(self) -> int:
        """What its range proofs are of."""
        return self.start.bits

    @property
    def blind_key(self) -> bytes:
        """K_blind of its meter; any 32 bytes do."""
        return self.meter + self.meter

    def place(self, first: int | None = None, revision: int = 0) -> Slot:
        """Return the first slot of the next day, or of the one that begins at `first`."""
        start = self.head.end if first is None else first
        return Slot(
            self.genesis.network, self.meter, self.register, start, self.step, revision
        )

    def next_header(self, first: int | None = None) -> Header:
        """Return the header that follows, still over nothing."""
        return Header(
            self.genesis.network, self.meter, self.register,
            self.head.end if first is None else first, self.step, 0,
            self.head.seq + 1, self.head.hash, bytes(32),
        )  # fmt: skip

    def day(
        self,
        values: Sequence[int | None],
        first: int | None = None,
        revision: int = 0,
        proof: bytes | None = None,
    ) -> Day:
        """Commit to a day and seal it, everything as it should be but a given `proof`."""
        place = self.place(first, revision)
        openings = openings_of(place, values, self.blind_key)
        qualities = [Quality.MISSING if v is None else Quality.RAW for v in values]
        records = records_of(place, openings, qualities)
        header = header_over(self.next_header(place.start), records, self.bits)
        return self.seal(header, records, openings, backed=values, proof=proof)

    def seal(
        self,
        header: Header,
        records: Sequence[CommittedRecord],
        openings: Sequence[Opening],
        *,
        backed: Sequence[int | None],
        proof: bytes | None = None,
    ) -> Day:
        """Sign exactly this header, with an honest parcel unless `proof` is given."""
        digest = header.digest(self.genesis.chain_id)
        if proof is None:
            statement = statement_of(digest, header.bits, records)
            proof = proved(statement, openings)
        place = backup.Day(
            header.network, header.meter, header.register, header.first, header.step,
            header.seq,
        )  # fmt: skip
        whole = summed_opening(openings)
        over = day_place(header, records[0].revision)
        parcel = Parcel(
            proof,
            backup.keep(STORE_KEY, place, backed),
            masked(whole.value, whole.blinding, SEEDS, over),
        )
        envelope = Envelope.sign(self.key, digest, parcel)
        sealed = CommittedSeal(header, self.key.sign(digest), tuple(records), envelope)
        return Day(sealed, digest, tuple(openings))

    def with_proof(self, day: Day, proof: bytes) -> Day:
        """Put another proof into a day's envelope, signed anew."""
        parcel = replace(day.seal.envelope.parcel, proof=proof)
        envelope = Envelope.sign(self.key, day.digest, parcel)
        return replace(day, seal=replace(day.seal, envelope=envelope))

    def answered(self, day: Day, reason: Reason | None = None) -> None:
        """Move the head as a device does once a seal was answered."""
        self.head = self.head.after(day.seal.header, day.digest, 0, reason)

    def tell(self, values: Sequence[int | None]) -> Day:
        """Seal the next day and take it as accepted."""
        day = self.day(values)
        self.answered(day)
        return day


def committed_device(
    number: int = 1, *, agent: str = "pi-1", bits: int = 16, step: int = 900
) -> CommittedDevice:
    """Return committed device `number`; the same number is the same meter."""
    meter = MeterId(number.to_bytes(16))
    key = RootSecret(number.to_bytes(32)).seal_key()
    start = RegisterStart(IMPORT, step, 0, BEGAN_AT, MODE_COMMITTED, bits)
    link = enrolment_hash(GENESIS.network, meter, start, key.public)
    head = Head(0, link, BEGAN_AT, 0)
    return CommittedDevice(meter, agent, key, start, link, head, step=step)


def flat(price: int, name: str = "flat", **change: Any) -> Tariff:  # Any: its fields
    """Return a tariff of one price at all times."""
    tariff = Tariff(name, "EUR", "Europe/Madrid", 0, (Band(MicroPerKwh(price)),))
    return replace(tariff, **change)


def priced(tariff: Tariff, days: Sequence[Day]) -> list[int]:
    """Return the price of every interval of days."""
    starts = [record.start for day in days for record in day.seal.records]
    zone = ZoneInfo(tariff.zone)
    return [*tariff.prices(starts, partial(datetime.fromtimestamp, tz=zone))]


def bill_over(
    device: CommittedDevice,
    days: Sequence[Day],
    tariff: Tariff,
    /,
    **change: Any,  # Any: a statement's fields
) -> ProvedBill:
    """Sign a bill as a willing device does: whatever it is asked, `change` included."""
    prices = priced(tariff, days)
    openings = [one for day in days for one in day.openings]
    header = days[0].seal.header
    statement = BillStatement(
        network=header.network,
        meter=header.meter,
        register=header.register,
        begin=header.first,
        end=days[-1].seal.header.end,
        tariff=tariff.hash(),
        amount=amount_of(prices, [one.value for one in openings]),
        revision=0,
        headers=tuple(day.digest for day in days),
        previous=device.link,
    )
    blindings = [one.blinding for one in openings]
    return sign_bill(replace(statement, **change), prices, blindings, device.key)


async def enrol_committed(tx: Transaction, devices: Sequence[CommittedDevice]) -> None:
    """Write meters, registers and keys of new devices, as the registry would."""
    ((last,),) = await tx.rows("SELECT coalesce(max(id), 0) FROM meters")
    for number, one in enumerate(devices, last + 1):
        one.register_id = number
    await tx.many(
        "INSERT INTO meters (id, meter, serial, profile, agent, enrolled_at)"
        " VALUES (?, ?, ?, 'test', ?, ?)",
        [(d.register_id, d.meter, d.meter.hex(), d.agent, BEGAN_AT) for d in devices],
    )
    await tx.many(
        "INSERT INTO registers (id, meter_id, register, step, capacity_w, initial_value,"
        " initial_at, enrolment_hash, mode, bits) VALUES (?, ?, ?, ?, ?, 0, ?, ?, 1, ?)",
        [
            (d.register_id, d.register_id, d.register, d.step, CAPACITY_W,
             d.start.at, d.link, d.bits)
            for d in devices
        ],
    )  # fmt: skip
    await add_keys(tx, [(d.register_id, d.key.public, 1) for d in devices])
