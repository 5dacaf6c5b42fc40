"""Outboxes on a real disk, filled with records as a sampler makes them."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from meterseal_agent.keystore import KeyEpoch, Keys
from meterseal_agent.outbox.model import Start
from meterseal_agent.outbox.store import Outbox
from meterseal_agent.record import Record
from meterseal_agent.seal import Sealer
from meterseal_proto.keys import RootSecret
from meterseal_proto.units import Quality
from tests.support.oracle import GENESIS, NETWORK

KEYS: Final = Keys(RootSecret(bytes(range(32))), KeyEpoch())
PUBLIC: Final = KEYS.seal_key.public
NOT_BUSY: Final[frozenset[tuple[int, int]]] = frozenset()
STATE: Final = "x" * 90
"""As long as a sampler's state is."""


def opened(folder: Path, found: Sequence[Start]) -> Outbox:
    """Return the outbox of `folder`, its registers taken up."""
    box = Outbox(folder / "outbox.sqlite", registers=len(found), network=NETWORK)
    box.enrol(found)
    return box


def sealer(box: Outbox) -> Sealer:
    """Return a sealer of that outbox."""
    return Sealer(box, KEYS, network=NETWORK, chain_id=GENESIS.chain_id)


def records(
    of: Start, deltas: Iterable[int], *, after: Record | None = None
) -> list[Record]:
    """Return records of one step each, from the enrolment or from `after` on."""
    begin, value = (after.end, after.value) if after else (of.head.end, of.head.value)
    found = []
    for delta in deltas:
        value += delta
        found.append(
            Record(*(of.meter, of.register, begin, of.step, delta, value), Quality.RAW)
        )
        begin += of.step
    return found


def put(box: Outbox, found: Iterable[Record]) -> bool:
    """Add records in one transaction."""
    return box.add([(record, STATE) for record in found])
