"""What intake thinks of a committed day: its place in time, nothing of its usage.

Of a day nobody can read there is nothing to find plausible: its range proof, checked
later and beside, is all there is. What is judged here is in the open: grid, time, the
revision, and the quality codes. Pure, as `accept` is.

- A day lies on the register's grid and begins where the last one ended; it need not be a
  *local* day. That bound would make acceptance hang on two machines having the same edition of the
  time zone database, and shields nobody: a shorter day tells no more than a whole one,
  for totals take whole local days only and bills whole periods.
- A slot the meter did not tell is a record of quality MISSING, so there are no gaps and no
  hole-closing records; a day of nothing but those may be as old as edits reach back.
- A day may be told again only when the proof of its last telling failed, slot for slot,
  with the next revision, up to `LAST_REVISION`. Anything else about time already told is equivocation when it
  repeats a revision, and inconsistent when it skips ahead.

This module must never let a day replace one that is verified or still to be checked.
"""

from typing import Final, NamedTuple

from meterseal_aggregator.privacy.model import Telling
from meterseal_aggregator.registry.model import Claim
from meterseal_proto.committed import CommittedSeal
from meterseal_proto.errors import Reason
from meterseal_proto.seal import Head
from meterseal_proto.units import Quality

TOLD: Final = frozenset({Quality.RAW, Quality.QUESTIONABLE, Quality.MISSING})
"""What a device may say of a slot."""


LAST_REVISION: Final = 15
"""A day is told sixteen times at most: our agents stop after four, and wait for a person."""


class Objection(NamedTuple):
    """Why a rightly signed day that is next in its chain is not taken."""

    reason: Reason
    detail: str


def objection(
    seal: CommittedSeal, head: Head, claim: Claim, telling: Telling | None
) -> Objection | None:
    """Return what is wrong with a day, or None; `telling` is the last one at its start."""
    header = seal.header
    first = header.first
    if header.step != claim.step or first % claim.step:
        detail = f"{header.count} of {header.step} s from {first}"
        return Objection(Reason.OFF_GRID, detail)
    if any(record.quality not in TOLD for record in seal.records):
        return Objection(Reason.INCONSISTENT, "a quality no device gives")
    if seal.revision:
        return _unrevisable(seal, telling)
    if first < head.end and claim.initial_at < header.end:
        return Objection(Reason.EQUIVOCATION, f"{first} is told a second time")
    if first != head.end:
        return Objection(Reason.GAP, f"starts at {first}, not at {head.end}")
    return None


def _unrevisable(seal: CommittedSeal, telling: Telling | None) -> Objection | None:
    first, revision = seal.header.first, seal.revision
    if telling is None:
        return Objection(Reason.INCONSISTENT, f"no day begins at {first} to be revised")
    if revision <= telling.revision:
        detail = f"revision {revision} of {first} is told a second time"
        return Objection(Reason.EQUIVOCATION, detail)
    if revision != telling.revision + 1 or not telling.failed:
        detail = f"revision {telling.revision} of {first} did not fail"
        return Objection(Reason.INCONSISTENT, detail)
    if revision > LAST_REVISION:
        detail = f"{first} was told {revision} times, and no proof of it held"
        return Objection(Reason.INCONSISTENT, detail)
    if seal.header.count != telling.count:
        detail = f"the day at {first} has {telling.count} slots"
        return Objection(Reason.INCONSISTENT, detail)
    return None


def reaches_back(seal: CommittedSeal) -> bool:
    """Tell whether a day may be as old as edits reach: it is a revision, or tells nothing."""
    return seal.revision > 0 or all(
        record.quality == Quality.MISSING for record in seal.records
    )
