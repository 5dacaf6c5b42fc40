"""A register whose days are really sealed: what is billed of it can be proved slot by slot.

    meter = await stand(tx, point, IMPORT)        # at a meter point, since BEGIN
    await meter.tell(tx, 120, 90)                 # one seal of two hours
    await meter.pause(tx, 5, 700)                 # five hours that only a difference tells

Rows are written as registry and intake leave them.
"""

from dataclasses import dataclass, field
from typing import Final

from meterseal_aggregator.storage.database import Transaction
from meterseal_aggregator.translog import store as log
from meterseal_proto.entry import KeyEvent, key_event_entry, seal_entry
from meterseal_proto.keys import Algorithm, RootSecret
from meterseal_proto.seal import Header, OpenRecord, record_root, record_salt
from meterseal_proto.units import MeterId, RegisterId
from tests.support.enrolling import GENESIS

BEGIN: Final = 1_803_513_600
"""25 February 2027, 0:00 UTC: since then every register counts."""
HOUR: Final = 3_600
CAPACITY_W: Final = 9_000
FIRST_VALUE: Final = 1_000
KEY: Final = RootSecret(b"billing years".ljust(32, b".")).seal_key(Algorithm.P256)

_SEAL: Final = (
    "INSERT INTO seals (id, register_id, seq, hash, first, step, count, signature, prev,"
    " root, received_at, log_entry_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_READING: Final = (
    "INSERT INTO readings (register_id, start, length, revision, delta, value, quality,"
    " seal_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)
_SALT: Final = (
    "INSERT INTO salts (register_id, start, revision, salt) VALUES (?, ?, ?, ?)"
)
_HEAD: Final = (
    "INSERT INTO heads (register_id, seq, hash, end_at, value)"
    " VALUES (?, ?, ?, ?, ?) ON CONFLICT (register_id) DO UPDATE SET"
    " seq = excluded.seq, hash = excluded.hash, end_at = excluded.end_at,"
    " value = excluded.value"
)
_BREAK: Final = (
    "INSERT INTO register_steps (register_id, at, from_at, from_value, to_value,"
    " seq, cause) VALUES (?, ?, ?, ?, ?, ?, 14)"
)


@dataclass
class Meter:
    """One register and where its chain stands; hours `begin` to `end` are told or missed."""

    register_id: int
    point: int
    meter: MeterId
    register: RegisterId
    serial: str
    prev: bytes
    seq: int = 0
    end: int = BEGIN
    value: int = FIRST_VALUE
    began: int = BEGIN
    revisions: dict[int, int] = field(default_factory=dict)
    breaks: list[tuple[int, int, int]] = field(default_factory=list)

    async def tell(self, tx: Transaction, *deltas: int, hours: int = 1) -> None:
        """Add one seal of consecutive intervals of so many hours."""
        first, records, length = self.end, [], hours * HOUR
        for delta in deltas:
            self.value += delta
            records.append(OpenRecord(self.end, delta, self.value, 14))
            self.end += length
        await self._keep(tx, (first, length, 0), records)

    async def revise(self, tx: Transaction, start: int, delta: int) -> None:
        """Say another delta of an hour that was told, in a seal of its own."""
        revision = self.revisions[start] = self.revisions.get(start, 0) + 1
        records = [OpenRecord(start, delta, self.value, 14, revision)]
        await self._keep(tx, (start, HOUR, revision), records)

    async def pause(self, tx: Transaction, hours: int, delta: int) -> None:
        """Tell nothing of some hours but what the register moved meanwhile."""
        until = self.end + hours * HOUR
        self.seq += 1
        row = (
            self.register_id, until, self.end, self.value, self.value + delta, self.seq,
        )  # fmt: skip
        await tx.many(_BREAK, [row])
        self.breaks.append((self.end, until, delta))
        self.end, self.value = until, self.value + delta
        await self._stand(tx)

    async def _keep(
        self, tx: Transaction, place: tuple[int, int, int], records: list[OpenRecord]
    ) -> None:
        first, length, revision = place
        self.seq += 1
        salts = [
            record_salt(self.meter * 2, self.register, one.start, length, revision)
            for one in records
        ]
        header = Header(
            GENESIS.network, self.meter, self.register, first, length, len(records),
            self.seq, self.prev, record_root(records, salts),
        )  # fmt: skip
        digest = header.digest(GENESIS.chain_id)
        signature = KEY.sign(digest)
        (entry,) = await log.append(tx, [seal_entry(header, signature)])
        seal = (
            entry, self.register_id, self.seq, digest, first, length, len(records),
            signature, self.prev, header.root, first + length * len(records), entry,
        )  # fmt: skip
        await tx.many(_SEAL, [seal])
        told = [
            (
                self.register_id,
                one.start,
                length,
                revision,
                one.delta,
                one.value,
                14,
                entry,
            )
            for one in records
        ]
        await tx.many(_READING, told)
        hidden = [
            (self.register_id, one.start, revision, salt)
            for one, salt in zip(records, salts, strict=True)
        ]
        await tx.many(_SALT, hidden)
        self.prev = digest
        await self._stand(tx)

    async def _stand(self, tx: Transaction) -> None:
        row = (self.register_id, self.seq, self.prev, self.end, self.value)
        await tx.many(_HEAD, [row])


async def stand(
    tx: Transaction, point: int, register: RegisterId, since: int = BEGIN
) -> Meter:
    """Let a meter with one register stand at a meter point since then, with its key."""
    ((number,),) = await tx.rows("SELECT coalesce(max(id), 0) + 1 FROM meters")
    meter, serial = MeterId(number.to_bytes(16)), f"S{number}"
    ((meter_id,),) = await tx.rows(
        "SELECT coalesce(max(meter_id), ?) FROM installations WHERE meter_point_id = ?",
        (number, point),
    )
    if meter_id == number:
        await tx.many(
            "INSERT INTO meters (id, meter, serial, profile, agent, enrolled_at)"
            " VALUES (?, ?, ?, 'sdm120', 'agent', ?)",
            [(number, meter, serial, since)],
        )
        await tx.many(
            "INSERT INTO installations (meter_id, meter_point_id, from_at)"
            " VALUES (?, ?, ?)",
            [(number, point, since)],
        )
        await tx.many(
            "INSERT INTO meter_keys (id, meter_id, algorithm, public, enrolled_at)"
            " VALUES (?, ?, ?, ?, ?)",
            [(number, number, str(KEY.public.algorithm), KEY.public.raw, since)],
        )
    meter, serial = MeterId(meter_id.to_bytes(16)), f"S{meter_id}"
    ((row,),) = await tx.rows("SELECT coalesce(max(id), 0) + 1 FROM registers")
    first = row.to_bytes(32)
    await tx.many(
        "INSERT INTO registers (id, meter_id, register, step, capacity_w,"
        " initial_value, initial_at, enrolment_hash) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        [(row, meter_id, register, HOUR, CAPACITY_W, FIRST_VALUE, since, first)],
    )
    event = KeyEvent(
        GENESIS.network, meter, register, str(KEY.public.algorithm), KEY.public.raw, 1,
        HOUR, FIRST_VALUE, since,
    )  # fmt: skip
    (entry,) = await log.append(tx, [key_event_entry(event)])
    await tx.many(
        "INSERT INTO key_spans (key_id, register_id, from_seq, log_entry_id)"
        " VALUES (?, ?, 1, ?)",
        [(meter_id, row, entry)],
    )
    return Meter(row, point, meter, register, serial, first, end=since, began=since)
