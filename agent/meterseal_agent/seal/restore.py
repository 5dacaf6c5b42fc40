"""A day's usage brought back from its backup: what a dead Pi's successor begins with.

The root secret opens the backup, and re-makes every commitment of the day from what it
says: usage that is not what was committed to is not taken. Pure. It must never be given
the backup of a register that is not this device's own.
"""

from collections.abc import Sequence

from meterseal_agent.seal.day import Day
from meterseal_proto import backup
from meterseal_proto.commitment import Slot
from meterseal_proto.committed import CommittedRecord, openings_of, records_of
from meterseal_proto.errors import Malformed
from meterseal_proto.keys import RootSecret
from meterseal_proto.seal import Header


def restored(
    root: RootSecret,
    header: Header,
    records: Sequence[CommittedRecord],
    kept: bytes,
) -> Day:
    """Return the day that `kept` is the backup of; Malformed when it is not this one's.

    What a day had that no slot could hold was never in its backup: `untold` is 0.
    """
    place = backup.Day(
        *(header.network, header.meter, header.register),
        *(header.first, header.step, header.seq),
    )
    values = tuple(backup.bring_back(root.store_key, place, kept))
    qualities = tuple(record.quality for record in records)
    slot = Slot(
        *(header.network, header.meter, header.register),
        *(header.first, header.step, records[0].revision),
    )
    if len(values) != len(records):
        raise Malformed("the backup is of another day")
    openings = openings_of(slot, values, root.blind_key(header.meter))
    if records_of(slot, openings, qualities) != tuple(records):
        raise Malformed("the backup is not what was committed to")
    return Day(header.first, header.step, values, qualities)
