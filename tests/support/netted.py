"""Days of a few hidden slots, what may be netted of them, and how it is proved."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from meterseal_proto.commitment import Slot, commit
from meterseal_proto.committed import openings_of
from meterseal_proto.keys import PublicKey, RootSecret
from meterseal_proto.netting import (
    NettedDay,
    Netting,
    ProvedNetting,
    check_netting,
    prove_netting,
)
from meterseal_proto.rangeprover import Opening
from meterseal_proto.units import IMPORT, MeterId

NETWORK: Final = bytes([0x11]) * 32
METER: Final = MeterId(bytes([0x22]) * 16)
ROOT: Final = RootSecret(bytes(range(32)))
KEY: Final = ROOT.seal_key()
BEGIN: Final = 1_790_000_100
DAY_S: Final = 86_400
STEP: Final = 900


@dataclass(frozen=True)
class HiddenDays:
    """Days whose slots' usage is `usage`, in Wh; `bits` of each day's proofs."""

    usage: Sequence[Sequence[int]]
    bits: int = 16
    openings: dict[bytes, list[Opening]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for number, values in enumerate(self.usage):
            place = Slot(NETWORK, METER, IMPORT, BEGIN + number * DAY_S, STEP)
            self.openings[header(number)] = openings_of(
                place, values, ROOT.blind_key(METER)
            )

    @property
    def commitments(self) -> dict[bytes, list[bytes]]:
        """What everybody sees, by header hash."""
        return {
            digest: [commit(one.value, one.blinding) for one in openings]
            for digest, openings in self.openings.items()
        }

    @property
    def bits_by_day(self) -> dict[bytes, int]:
        """The bits of each day's proofs, by header hash."""
        return dict.fromkeys(self.openings, self.bits)

    def prove(self, netting: Netting) -> ProvedNetting:
        """Prove a netting as the device does."""
        return prove_netting(netting, self.openings, self.bits_by_day, KEY)

    def check(self, proved: ProvedNetting, key: PublicKey = KEY.public) -> None:
        """Check it as everybody can."""
        check_netting(proved, self.commitments, self.bits_by_day, key)


def header(number: int) -> bytes:
    """Return a day's header hash."""
    return bytes([0x80 + number]) * 32


def netting_of(*days: Sequence[tuple[int, int]]) -> Netting:
    """Return what is netted of days, (place, Wh) each; days without are left out."""
    found = tuple(
        NettedDay(header(number), BEGIN + number * DAY_S, STEP, tuple(slots))
        for number, slots in enumerate(days)
        if slots
    )
    end = BEGIN + len(days) * DAY_S
    return Netting(NETWORK, METER, IMPORT, BEGIN, end, found)


def with_day(netting: Netting, at: int, day: NettedDay) -> Netting:
    """Return a netting with another day in the place of one."""
    days = (*netting.days[:at], day, *netting.days[at + 1 :])
    return replace(netting, days=days)
