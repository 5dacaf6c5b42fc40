"""Bills the device signs over its hidden usage, and those it refuses to.

    tariff = witnessed(told, pinned)          # in the log, under two keys that are pinned
    openings.learn(tariff, now)
    bill = openings.bill(chain, begin, end, tariff.hash())

A signed amount is an opening: it tells something of the intervals under it, for ever. The
device alone decides what it tells, by these rules (SETTLED 19, 20, 25, 26):

- a tariff it knew, by its own clock, before the period began: nobody makes one to measure;
- only accepted days that fill the period, which is one of before or apart from all;
- over all tariffs of a period together no fewer than 24 intervals are told apart;
- the same days as before: what is corrected is billed with a later period;
- openings are a chain, and a device that took over, or whose disk lay still for a day,
  opens no period from before until it has found the whole chain in the log.

The opening is on disk before the bill is handed out; asked again, the same bill comes. It
must never round, and never put an amount anywhere but into the statement.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final
from zoneinfo import ZoneInfo

from meterseal_agent.keystore import Keys
from meterseal_agent.outbox.model import Chain, KeptDay
from meterseal_agent.outbox.store import Outbox
from meterseal_agent.seal.zone import known
from meterseal_proto.bill import BillStatement, ProvedBill, amount_of, sign_bill
from meterseal_proto.checkpoint import NoteKey, open_note, parse_note, parse_vkey
from meterseal_proto.commitment import Slot
from meterseal_proto.committed import openings_of
from meterseal_proto.cosignature import CosignerKey, cosigned_at, parse_cosigner
from meterseal_proto.entry import tariff_entry
from meterseal_proto.errand import NoBill
from meterseal_proto.errand_down import TariffTold
from meterseal_proto.errors import Malformed, Rejected
from meterseal_proto.merkle import leaf_hash, verify_inclusion
from meterseal_proto.rangeprover import Opening
from meterseal_proto.refinement import (
    MAX_OPENINGS,
    Refinement,
    TooFine,
)
from meterseal_proto.tariff import Tariff, parse_tariff
from meterseal_proto.units import MeterId, Quality, RegisterId

FORGOTTEN: Final = (
    "this device was restored and does not know what was opened before it: run"
    " meterseal-agent restore-history"
)


class NotOpened(Exception):
    """The device does not sign this bill; the sentence says why, and holds no usage.

    `why` is what the aggregator is told of it.
    """

    def __init__(self, sentence: str, why: NoBill = NoBill.TARIFF) -> None:
        super().__init__(sentence)
        self.why = why


class NotYet(NotOpened):
    """It is not known yet whether this bill may be signed; who asks again is answered."""


@dataclass(frozen=True, slots=True)
class PinnedLog:
    """Verifier keys kept at installation: the log's, and a witness's.

    The second may also be a plain key that signs the checkpoint as the log does.
    """

    log: str
    second: str


def witnessed(told: TariffTold, pinned: PinnedLog) -> Tariff:
    """Return the tariff that two pinned keys say is in the log; NotOpened otherwise."""
    try:
        checkpoint = open_note(told.note, pinned.log)
        check_second(told.note, pinned)
        leaf = leaf_hash(tariff_entry(told.document))
        where = told.index, checkpoint.size, told.proof, checkpoint.root
        if not verify_inclusion(leaf, *where):
            raise NotOpened("the tariff is not in the log that was signed")
        return parse_tariff(told.document)
    except Rejected as wrong:
        raise NotOpened(f"the tariff is not witnessed: {wrong}") from None


def check_second(text: str, pinned: PinnedLog) -> int | None:
    """Return when the second key signed a note, None where it does not say.

    Raises Rejected unless it did, NotOpened where it is the first key once more.
    """
    note, log = parse_note(text), parse_vkey(pinned.log)
    try:
        second: CosignerKey | NoteKey = parse_cosigner(pinned.second)
    except Malformed:
        second = parse_vkey(pinned.second)
    # The same key under another name or signature type is still one opinion.
    if second.public == log.public:
        raise NotOpened("two keys are pinned, not one twice")
    if isinstance(second, CosignerKey):
        return cosigned_at(note, second)
    note.check(second)
    return None


class Openings:
    """Signs bills for one network; `links` has each register's enrolment hash.

    A register that goes on from another device's chain is not in `links`.
    """

    def __init__(
        self,
        outbox: Outbox,
        keys: Keys,
        network: bytes,
        links: Mapping[tuple[MeterId, RegisterId], bytes],
    ) -> None:
        self._outbox = outbox
        self._root = keys.root
        self._key = keys.seal_key
        self._network = network
        self._links = links

    def learn(self, tariff: Tariff, *, now: int) -> None:
        """Keep a tariff that `witnessed` gave, known since `now` (UTC Unix seconds).

        Raises NotOpened where there is no room for another one.
        """
        if not self._outbox.learn_tariff(tariff.hash(), tariff.document(), now=now):
            raise NotOpened("there is no room for another tariff: enrol anew")

    def bill(self, chain: Chain, begin: int, end: int, tariff: bytes) -> ProvedBill:
        """Return the bill of [`begin`, `end`) at the tariff of this hash.

        The same one whenever it is asked for. Raises NotOpened.
        """
        before = self._outbox.openings(chain)
        for one in before:
            said = one.statement
            if (said.begin, said.end, said.tariff) == (begin, end, tariff):
                return one
        last = self._last(chain, before, begin)
        days = self._days(chain, begin, end)
        same = same_period(before, begin, end)
        check_same_days(same, days)
        starts = [at for day in days for at in _starts(day)]
        told = [self._known(one.statement.tariff, begin) for one in same]
        prices = _prices(self._known(tariff, begin), starts)
        check_refinement(
            [*(_prices(one, starts) for one in told), prices], _missing(days)
        )
        opened = [one for day in days for one in self._opened(chain, day)]
        statement = BillStatement(
            *(self._network, chain.meter, chain.register, begin, end, tariff),
            amount_of(prices, [one.value for one in opened]),
            len(same),
            tuple(day.hash for day in days),
            last,
        )
        blindings = [one.blinding for one in opened]
        signed = sign_bill(statement, prices, blindings, self._key)
        self._outbox.keep_opening(chain, signed)
        return signed

    def _last(self, chain: Chain, before: Sequence[ProvedBill], begin: int) -> bytes:
        """Return the digest of the opening before the next, over a period from `begin`."""
        sure = self._outbox.memory(chain)
        if sure is None:
            raise NotYet("the meter was not read since the start: ask again")
        if begin < sure.since or (sure.since and sure.opening is None):
            raise NotOpened(FORGOTTEN, NoBill.RESTORED)
        if before:
            return before[-1].statement.digest()
        link = sure.opening or self._links.get((chain.meter, chain.register))
        if link is None:
            raise NotOpened(FORGOTTEN, NoBill.RESTORED)
        return link

    def _days(self, chain: Chain, begin: int, end: int) -> list[KeptDay]:
        """Return the accepted days that fill a period."""
        days = self._outbox.days_between(chain, begin, end)
        if not fills(days, begin, end):
            raise NotOpened(
                "the period is not filled by accepted days", NoBill.NOT_FILLED
            )
        return days

    def _known(self, tariff: bytes, begin: int) -> Tariff:
        """Return a tariff that was known, and valid, when the period began."""
        found = self._outbox.tariff(tariff)
        if found is None:
            raise NotOpened("no tariff of that hash was witnessed here")
        document, learned_at = found
        known_one = parse_tariff(document)
        if max(learned_at, known_one.valid_from) > begin:
            raise NotOpened(
                "the tariff was not known here before the period began",
                NoBill.TARIFF_LATE,
            )
        return known_one

    def _opened(self, chain: Chain, day: KeptDay) -> list[Opening]:
        revision = self._outbox.revision(day)
        place = Slot(
            *(self._network, chain.meter, chain.register),
            *(day.first, day.step, revision),
        )
        return openings_of(place, day.values, self._root.blind_key(chain.meter))


def fills(days: Sequence[KeptDay], begin: int, end: int) -> bool:
    """Tell whether accepted days, in order, fill a period."""
    at = begin
    for day in days:
        at = day.first + day.step * len(day.values) if day.first == at else -1
    return at == end and bool(days)


def same_period(before: Sequence[ProvedBill], begin: int, end: int) -> list[ProvedBill]:
    """Return the openings of this very period; NotOpened where one overlaps it, and where
    nobody would take one more."""
    same = []
    for one in before:
        said = one.statement
        if (said.begin, said.end) == (begin, end):
            same.append(one)
        elif said.begin < end and begin < said.end:
            raise NotOpened("bills are over equal or disjoint periods", NoBill.OVERLAP)
    if len(same) >= MAX_OPENINGS:
        raise NotOpened(
            f"this period was opened {len(same)} times already", NoBill.TOO_FINE
        )
    return same


def check_same_days(same: Sequence[ProvedBill], days: Sequence[KeptDay]) -> None:
    """Raise NotOpened where days of the period were told again since its last opening."""
    hashes = tuple(day.hash for day in days)
    if any(one.statement.headers != hashes for one in same):
        raise NotOpened(
            "days were corrected: that is billed with a later period", NoBill.CORRECTED
        )


def check_refinement(
    openings: Sequence[Sequence[int]], known_slots: Sequence[int] = ()
) -> None:
    """Raise NotOpened where these openings of a period together tell too much.

    `known_slots` are the places of slots everybody knows, which shield nobody.
    """
    try:
        Refinement.after(openings, known_slots)
    except TooFine as error:
        raise NotOpened(str(error), NoBill.TOO_FINE) from None


def _missing(days: Sequence[KeptDay]) -> list[int]:
    """Return the places of the slots that were not told: in the open, they are 0."""
    qualities = [quality for day in days for quality in day.qualities]
    return [at for at, one in enumerate(qualities) if one == Quality.MISSING]


def _prices(tariff: Tariff, starts: Sequence[int]) -> list[int]:
    if not known(tariff.zone):
        raise NotOpened(f"the tariff's zone {tariff.zone} is not known here")
    local = partial(datetime.fromtimestamp, tz=ZoneInfo(tariff.zone))
    return [*tariff.prices(starts, local)]


def _starts(day: KeptDay) -> range:
    return range(day.first, day.first + day.step * len(day.values), day.step)
