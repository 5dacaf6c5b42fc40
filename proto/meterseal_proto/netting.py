"""What neighbours delivered to a private home, taken off usage nobody sees.

Over a slot's commitment C to v Wh and the n Wh of settled trades, D = C - n V commits to
v - n under the same blinding. A range proof over a day's D_i says that each v_i >= n_i, so
that sum p_i (v_i - n_i) = A - sum p_i n_i is what is left to pay of an opened A (SETTLED
10). One proof covers a day's netted slots, the device's seal key signs the whole. What a
home's own export takes off its import is another thing (`rating.netting`).

What it tells: of each slot that is asked about, whether usage reached the Wh asked about,
one bit and no more. A slot that did not is left out whole: a part would be v itself. Who
asks chooses the Wh, so the device answers of a slot once and for ever (`seal.netting` of
the agent). Sizes follow from how many slots are netted, which is what it tells.

Every C_i must come from an accepted seal with a proved range, and whoever takes a netting
holds it to the trades it asked about (`part_of`): this module must never be taken as the
whole check, nor hold a value but as a `Secret`.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

from meterseal_proto.commitment import bases, commit, encoded
from meterseal_proto.encoding import Value, encode
from meterseal_proto.group import group
from meterseal_proto.keys import SIGNATURE_BYTES, PublicKey, SealKey
from meterseal_proto.rangechecker import Claim, failing
from meterseal_proto.rangeproof import BadProof, Statement
from meterseal_proto.rangeprover import Opening, prove
from meterseal_proto.seal import MAX_RECORDS
from meterseal_proto.secret import Secret
from meterseal_proto.units import METER_ID_BYTES, MeterId, RegisterId

MAX_NETTED_DAYS: Final = 400
"""As many days as a file about private usage holds."""
MAX_NETTED_WH: Final = (1 << 32) - 1
"""The most a committed interval can hold: a larger number is never reached by usage, and
v - n is never another number modulo the group's order."""
NETTING_VERSION: Final = 1
HASH_BYTES: Final = 32

_NETTING: Final = b"meterseal/netting/v1\x00"
_DAY: Final = b"meterseal/netted-day/v1\x00"


class BadNetting(ValueError):
    """A netting is none, or is not proved; the sentence says which part is wrong."""


@dataclass(frozen=True, slots=True)
class NettedDay:
    """What is netted of one committed day seal.

    `header` is its header hash, 32 bytes; `first` (UTC seconds) and `step` (seconds) are
    the header's. `slots` are (place in the day from 0, Wh above 0) by place, each once.
    Raises BadNetting where they are not.
    """

    header: bytes
    first: int
    step: int
    slots: tuple[tuple[int, int], ...]

    def __post_init__(self) -> None:
        """Refuse what is no day."""
        if len(self.header) != HASH_BYTES or self.first < 0 or self.step <= 0:
            raise BadNetting("a day has a header hash of 32 bytes, a start and a step")
        places = [place for place, _ in self.slots]
        if not 1 <= len(places) <= MAX_RECORDS:
            raise BadNetting(f"a day nets 1 to {MAX_RECORDS} slots")
        if any(here >= after for here, after in pairwise([-1, *places, MAX_RECORDS])):
            raise BadNetting("slots are by place in their day, each once")
        if not all(0 < wh <= MAX_NETTED_WH for _, wh in self.slots):
            raise BadNetting(f"a slot nets 1 to {MAX_NETTED_WH} Wh")

    @property
    def end(self) -> int:
        """When the last netted slot ends, UTC seconds."""
        return self.first + self.step * (self.slots[-1][0] + 1)

    def fields(self) -> list[Value]:
        """Return what stands for it in a message and under a signature."""
        slots: list[Value] = [list(slot) for slot in self.slots]
        return [self.header, self.first, self.step, slots]


@dataclass(frozen=True, slots=True)
class Netting:
    """What is netted of a register's [`begin`, `end`) in Unix seconds.

    `days` are by `first`, at most MAX_NETTED_DAYS, none without slots and none beyond
    the period; none at all where nothing can be netted. Raises BadNetting otherwise.
    """

    network: bytes
    meter: MeterId
    register: RegisterId
    begin: int
    end: int
    days: tuple[NettedDay, ...]

    def __post_init__(self) -> None:
        """Refuse what is no netting."""
        if len(self.network) != HASH_BYTES or len(self.meter) != METER_ID_BYTES:
            raise BadNetting("a network is 32 bytes, a meter 16")
        if not 0 <= self.begin < self.end:
            raise BadNetting("a period ends after it begins")
        if len(self.days) > MAX_NETTED_DAYS:
            raise BadNetting(f"a netting is over at most {MAX_NETTED_DAYS} days")
        if len({day.header for day in self.days}) < len(self.days):
            raise BadNetting("a seal is netted once")
        at = self.begin
        for day in self.days:
            if not at <= day.first < day.end <= self.end:
                raise BadNetting("days are in order of time, within the period")
            at = day.end

    @property
    def wh(self) -> int:
        """How many Wh are netted in all."""
        return sum(wh for _, wh in self.slots())

    def slots(self) -> Iterator[tuple[int, int]]:
        """Yield (when a slot starts in UTC seconds, its netted Wh), by time."""
        for day in self.days:
            for place, wh in day.slots:
                yield day.first + place * day.step, wh

    def digest(self) -> bytes:
        """Return the 32 bytes the seal key signs: never those of a seal or a bill."""
        days: list[Value] = [day.fields() for day in self.days]
        fields: list[Value] = [
            NETTING_VERSION, self.network, self.meter, self.register, self.begin,
            self.end, days,
        ]  # fmt: skip
        return hashlib.sha256(_NETTING + encode(fields)).digest()

    def context(self, day: NettedDay) -> bytes:
        """Return what binds a day's proof to its place: 32 bytes."""
        fields: list[Value] = [self.network, self.meter, self.register, *day.fields()]
        return hashlib.sha256(_DAY + encode(fields)).digest()

    def part_of(self, asked: "Netting") -> bool:
        """Tell whether this nets nothing but slots of `asked`, each with the same Wh."""
        place = replace(self, days=()) == replace(asked, days=())
        whole = {(d.header, d.first, d.step): set(d.slots) for d in asked.days}
        return place and all(
            set(day.slots) <= whole.get((day.header, day.first, day.step), set())
            for day in self.days
        )


@dataclass(frozen=True, slots=True)
class ProvedNetting:
    """A netting with a range proof a day (`rangeproof`, over the day's netted slots only,
    padded to a power of two), in the days' order, and the seal key's 64 bytes over
    `netting.digest()`."""

    netting: Netting
    proofs: tuple[bytes, ...]
    consent: bytes


def prove_netting(
    netting: Netting,
    openings_by_day: Mapping[bytes, Sequence[Opening]],
    bits_by_day: Mapping[bytes, int],
    key: SealKey,
) -> ProvedNetting:
    """Return the netting proved and signed.

    By header hash: the openings of the whole day's slots in order, and the bits of its
    range proof. Raises BadNetting for a slot that used less than is netted.
    """
    proofs = []
    for day in netting.days:
        left = left_of(day, openings_by_day.get(day.header, ()))
        hidden = [commit(one.value, one.blinding) for one in left]
        said = day_statement(netting, day, bits_by_day.get(day.header, 0), hidden)
        try:
            proofs.append(prove(said, left))
        except BadProof:
            raise BadNetting("a slot used less than is netted of it") from None
    return ProvedNetting(netting, tuple(proofs), key.sign(netting.digest()))


def check_netting(
    proved: ProvedNetting,
    commitments_by_day: Mapping[bytes, Sequence[bytes]],
    bits_by_day: Mapping[bytes, int],
    key: PublicKey,
) -> None:
    """Check a netting; BadNetting says why not. All its proofs are one batch.

    By header hash: the commitments (33 bytes) of the whole day's slots in order, and the
    bits of its range proof, both from the accepted seal. That `first` and `step` are that
    seal's header's, who knows the header checks.
    """
    netting = proved.netting
    if len(proved.consent) != SIGNATURE_BYTES or not key.verify(
        netting.digest(), proved.consent
    ):
        raise BadNetting("the device's seal key did not sign this netting")
    if len(proved.proofs) != len(netting.days):
        raise BadNetting("a netting has one proof a day")
    claims = []
    for day, proof in zip(netting.days, proved.proofs, strict=True):
        left = left_over(day, commitments_by_day.get(day.header, ()))
        bits = bits_by_day.get(day.header, 0)
        claims.append(Claim(day_statement(netting, day, bits, left), proof))
    for at in failing(claims):
        raise BadNetting(
            f"the proof of the day that begins at {netting.days[at].first} does not hold"
        )


def left_of(day: NettedDay, openings: Sequence[Opening]) -> tuple[Opening, ...]:
    """Return the openings of what a day's netted slots have left, of the whole day's."""
    _check_places(day, openings)
    return tuple(
        Opening(openings[at].value.plus(Secret(-wh)), openings[at].blinding)
        for at, wh in day.slots
    )


def left_over(day: NettedDay, commitments: Sequence[bytes]) -> tuple[bytes, ...]:
    """Return D = C - n V of a day's netted slots, of the whole day's commitments.

    33 bytes each; BadNetting for a commitment that is none, or that hides nothing.
    """
    _check_places(day, commitments)
    of, value = group(), bases().value
    found = []
    try:
        for at, wh in day.slots:
            parts = of.decode(commitments[at]), of.times(value, -wh)
            found.append(encoded(of.add([one for one in parts if one is not None])))
    except ValueError as error:
        raise BadNetting(f"a commitment is none: {error}") from None
    return tuple(found)


def day_statement(
    netting: Netting, day: NettedDay, bits: int, left: Sequence[bytes]
) -> Statement:
    """Return what a day's proof says of what is left over; BadNetting where none can be."""
    try:
        return Statement(netting.context(day), bits, tuple(left))
    except BadProof as error:
        raise BadNetting(f"a netted day has no proof: {error}") from None


def _check_places(day: NettedDay, slots: Sequence[object]) -> None:
    if not slots:
        raise BadNetting("a netted day is none of those that were accepted")
    if day.slots[-1][0] >= len(slots):
        raise BadNetting("a netted slot is beyond its day")
