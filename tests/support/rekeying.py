"""An enrolled meter whose keys change hands, and what the registry and the log say then."""

from dataclasses import replace

from meterseal_aggregator.registry import rekey
from meterseal_aggregator.registry.model import Moment
from meterseal_aggregator.registry.store import claims
from meterseal_aggregator.translog import store as translog
from meterseal_proto.enrolment import EnrolmentAnswer, Rotation, Turn
from meterseal_proto.entry import KeyEvent, open_key_event_entry
from meterseal_proto.keys import SealKey
from meterseal_proto.units import EXPORT, MeterId
from tests.support.enrolling import (
    GENESIS,
    NOW,
    SLOT,
    TERMS,
    Registry,
    a_key,
    a_meter,
    a_request,
)


async def enrolled(registry: Registry, at: int = SLOT, seed: str = "home-1") -> MeterId:
    """Enrol a meter whose registers begin at `at`, under the key of `seed`."""
    starts = tuple(replace(start, at=at) for start in a_meter().registers)
    request = a_request(
        await registry.code(), a_meter(registers=starts), key=a_key(seed)
    )
    answer = EnrolmentAnswer.from_json(await registry.enrol(request))
    return MeterId(bytes.fromhex(answer.meters[0].meter))


async def seal_up_to(registry: Registry, meter: MeterId, seq: int) -> None:
    """Move both heads of a meter, as intake does when it accepts."""
    async with registry.db.transaction() as tx:
        for claim in (await claims(tx, [meter])).values():
            await tx.rows(
                "INSERT INTO heads (register_id, seq, hash, end_at, value)"
                " VALUES (?, ?, ?, ?, ?) ON CONFLICT (register_id) DO UPDATE"
                " SET seq = excluded.seq, hash = excluded.hash",
                (claim.register_id, seq, bytes([seq % 256]) * 32, SLOT + 900, 7_000),
            )


async def keys_of(
    registry: Registry, meter: MeterId
) -> list[tuple[bytes, int, int | None]]:
    """Return the export register's keys, each with its first and last seq."""
    async with registry.db.reading() as tx:
        known = await claims(tx, [meter])
    claim = known[meter, EXPORT]
    return [(key.public.raw, key.from_seq, key.to_seq) for key in claim.keys]


async def key_events(registry: Registry) -> list[KeyEvent]:
    """Return every key event in the log."""
    async with registry.db.reading() as tx:
        found = await translog.unindexed(tx, 100)
    return [open_key_event_entry(entry.body) for entry in found]


def a_rotation(meter: MeterId, from_seq: int, old: SealKey, new: SealKey) -> Rotation:
    """Make a rotation of the export register that both keys signed."""
    turns = (Turn(meter, EXPORT, from_seq),)
    return Rotation.sign(GENESIS.network, turns, old, new)


async def rotate(registry: Registry, wish: Rotation, real: int = NOW) -> None:
    """Carry a rotation out at the real second `real`."""
    async with registry.db.transaction() as tx:
        await rekey.rotate(tx, wish, TERMS.chain, Moment(NOW, real))
