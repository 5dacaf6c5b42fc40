"""The member's openings as a file: with it he, or whom he gives it, counts a bill again.

The blindings are derived from the root secret, as they were when the day was committed to.
This is all of the days' usage in the open: it must never be made but for who asked at the
door, nor be written to a disk here.
"""

from collections.abc import Sequence

from meterseal_agent.outbox.model import Chain, KeptDay
from meterseal_proto.commitment import Slot
from meterseal_proto.committed import openings_of
from meterseal_proto.keys import RootSecret
from meterseal_proto.usagefile import OpenedDay, UsageFile


def usage_file(
    network: bytes,
    chain: Chain,
    days: Sequence[tuple[KeptDay, int]],
    root: RootSecret,
) -> UsageFile:
    """Return the openings of days of a register, each with its revision."""
    blind_key = root.blind_key(chain.meter)
    found = []
    for day, revision in days:
        place = Slot(
            *(network, chain.meter, chain.register, day.first, day.step, revision)
        )
        openings = openings_of(place, day.values, blind_key)
        found.append(
            OpenedDay(
                day.hash,
                day.first,
                day.step,
                tuple(one.value.reveal() for one in openings),
                tuple(one.blinding.reveal() for one in openings),
            )
        )
    return UsageFile(network, chain.meter, chain.register, tuple(found))
