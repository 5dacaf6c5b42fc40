"""A street in the database: members, certified meter points, meters and accepted seals.

Rows are written the way the registry and intake leave them, with signatures that nobody
checks here, so that the rooms above can be tested without an agent.
"""

import hashlib
from dataclasses import dataclass, field

from meterseal_aggregator.storage.database import Database, Transaction
from meterseal_proto.units import EXPORT, RegisterId

BEGIN = 1_800_000_000 - 1_800_000_000 % 86_400
"""When every register of the street was enrolled: a midnight, UTC."""
STEP = 900
CAPACITY_W = 5_000


@dataclass
class Home:
    """One register and where its chain stands; `tell` adds a sealed reading."""

    register_id: int
    meter: bytes
    member_id: int
    seq: int = 0
    end: int = BEGIN
    value: int = 1_000
    told: list[tuple[int, int]] = field(default_factory=list)

    async def tell(
        self, tx: Transaction, *deltas: int, quality: int = 14, length: int = STEP
    ) -> None:
        """Add one seal of consecutive readings with these deltas in Wh."""
        seal = await self._seal(tx, self.end, length, len(deltas))
        rows = []
        for delta in deltas:
            self.value += delta
            row = (
                self.register_id,
                self.end,
                length,
                0,
                delta,
                self.value,
                quality,
                seal,
            )
            rows.append(row)
            self.told.append((self.end, delta))
            self.end += length
        await tx.many(_READING, rows)
        await self._stand(tx)

    async def revise(
        self, tx: Transaction, start: int, delta: int, revision: int
    ) -> None:
        """Add a later revision of one interval, in a seal of its own."""
        seal = await self._seal(tx, start, STEP, 1)
        row = (self.register_id, start, STEP, revision, delta, self.value, 14, seal)
        await tx.many(_READING, [row])
        await self._stand(tx)

    async def _seal(self, tx: Transaction, first: int, step: int, count: int) -> int:
        self.seq += 1
        digest = hashlib.sha256(b"%d/%d" % (self.register_id, self.seq)).digest()
        # A seal has the number of its entry, among others that clearings append.
        seal = entry = await _next_id(tx, "log_entries")
        await tx.many(
            "INSERT INTO log_entries VALUES (?, ?, ?)", [(entry, digest, b"12")]
        )
        place = (seal, self.register_id, self.seq, digest, first, step, count)
        proof = (bytes(64), bytes(32), bytes(32), first + step, entry)
        await tx.many(_SEAL, [(*place, *proof)])
        return seal

    async def reset(self, tx: Transaction, to_value: int) -> None:
        """Let the register fall back, as intake records it: one interval counts nothing."""
        self.seq += 1
        until = self.end + STEP
        await tx.many(
            "INSERT INTO register_steps (register_id, at, from_at, from_value, to_value,"
            " seq, cause) VALUES (?, ?, ?, ?, ?, ?, 14)",
            [(self.register_id, until, self.end, self.value, to_value, self.seq)],
        )
        self.end, self.value = until, to_value
        await self._stand(tx)

    async def _stand(self, tx: Transaction) -> None:
        await tx.many(
            "INSERT INTO heads (register_id, seq, hash, end_at, value)"
            " VALUES (?, ?, ?, ?, ?) ON CONFLICT (register_id) DO UPDATE SET"
            " seq = excluded.seq, end_at = excluded.end_at, value = excluded.value",
            [(self.register_id, self.seq, bytes(32), self.end, self.value)],
        )


_SEAL = (
    "INSERT INTO seals (id, register_id, seq, hash, first, step, count, signature, prev,"
    " root, received_at, log_entry_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_READING = (
    "INSERT INTO readings (register_id, start, length, revision, delta, value, quality,"
    " seal_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)


async def _next_id(tx: Transaction, table: str) -> int:
    ((last,),) = await tx.rows(f"SELECT coalesce(max(id), 0) FROM {table}")  # noqa: S608
    return int(last) + 1


async def settle_in(
    database: Database,
    number: int,
    *,
    certified: bool = True,
    register: RegisterId = EXPORT,
) -> Home:
    """Let member `number` move in: a meter point, a meter and one register of that number."""
    meter = number.to_bytes(16)
    async with database.transaction() as tx:
        await tx.many(
            "INSERT INTO members (id, name, created_at) VALUES (?, ?, 0)",
            [(number, f"member {number}")],
        )
        await tx.many(
            "INSERT INTO meter_points (id, name, created_at) VALUES (?, ?, 0)",
            [(number, f"house {number}")],
        )
        await tx.many(
            "INSERT INTO tenancies (member_id, meter_point_id, from_at) VALUES (?, ?, 0)",
            [(number, number)],
        )
        if certified:
            await tx.many(
                "INSERT INTO certifications (meter_point_id, capacity_w, from_at)"
                " VALUES (?, ?, 0)",
                [(number, CAPACITY_W)],
            )
        await tx.many(
            "INSERT INTO meters (id, meter, serial, profile, agent, enrolled_at)"
            " VALUES (?, ?, ?, 'sdm120', 'agent', 0)",
            [(number, meter, f"S{number}")],
        )
        await tx.many(
            "INSERT INTO installations (meter_id, meter_point_id, from_at)"
            " VALUES (?, ?, 0)",
            [(number, number)],
        )
        await tx.many(
            "INSERT INTO registers (id, meter_id, register, step, capacity_w,"
            " initial_value, initial_at, enrolment_hash) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            [(number, number, register, STEP, CAPACITY_W, 1_000, BEGIN, meter + meter)],
        )
    return Home(register_id=number, meter=meter, member_id=number)
