"""What evidence of a bill claims of its usage: each slot is what something said it was.

A slot that was measured is what a sealed record of its register says of it, alone or as
its share of a longer one; a slot that a person edited is what an entry of the log stands
for; an estimate or an import is told as such and counted, for nobody sealed it. Which
version of a day the bill used is checked against its history. This module must never pass
a slot that nothing explains.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from meterseal_proto.claims import Unasked, Wrong
from meterseal_proto.entry import operator_edit_entry
from meterseal_proto.evidence import contents as parts
from meterseal_proto.evidence.claims import Case, given
from meterseal_proto.evidence.sealedfile import SealedRegister
from meterseal_proto.evidence.slotsfile import (
    DayVersion,
    History,
    Slots,
    ToldValue,
    read_history,
    read_slots,
)
from meterseal_proto.rating.edit import SALT_BYTES, Edit, edit_hash
from meterseal_proto.rating.load import MAX_SLOTS
from meterseal_proto.rating.statement import Usage
from meterseal_proto.units import Quality, obis_text

SEALED: Final = frozenset({Quality.VALIDATED, Quality.QUESTIONABLE})
"""Qualities of slots that a device told."""
_ESTIMATED: Final = frozenset({Quality.ESTIMATED, Quality.INTERPOLATED})
_EDIT: Final = "edit"
MAX_TIMES: Final = 64
"""How often a slot is told: revisions, estimates and edits of it, and some."""
_Saying = dict[int, list[tuple[int, int]]]
"""By slot, what records say of it: revision and Wh."""


@dataclass(slots=True)
class _Counted:
    """What explained the slots of a bill."""

    sealed: int = 0
    edited: int = 0
    told: int = 0
    outdated: int = 0
    registers: set[str] = field(default_factory=set)


def open_usage(usage: Sequence[Usage]) -> Iterator[tuple[int, Usage]]:
    """Yield the open registers of a statement with the number of their files."""
    for number, told in enumerate(usage, 1):
        if told.digest:
            yield number, told


def slots_of(case: Case, number: int) -> Slots:
    """Return the slots of a register; Wrong where its file does not read."""
    return case.read(parts.numbered(parts.USAGE, number), read_slots)


def judge_usage(case: Case, usage: Sequence[Usage]) -> str:
    """Judge every slot of every open register; raises Wrong or Unasked."""
    found = _Counted()
    for number, told in open_usage(usage):
        slots = slots_of(case, number)
        _match(slots, told, parts.numbered(parts.USAGE, number))
        _explain(case, number, slots, found)
        _ends(case, number, told)
        found.registers.add(obis_text(slots.register))
    if not found.registers:
        raise Unasked("the bill stands on no open readings: see the registers' proofs")
    return (
        f"{found.sealed} slots are as sealed, {found.edited} as edited in the log,"
        f" {found.told} are estimates or imports that no device sealed"
        + (f"; {found.outdated} were told otherwise since" if found.outdated else "")
    )


def judge_history(case: Case, usage: Sequence[Usage], known_at: int) -> str:
    """Judge that the slots are the days as they were believed when the bill was made."""
    versions = 0
    for number, _ in open_usage(usage):
        slots = given(partial(slots_of, case, number), parts.USAGE)
        history = _history(case, number)
        held: dict[int, DayVersion] = {}
        for one in sorted(history.days, key=lambda day: (day.day, day.version)):
            if one.known_at <= known_at:
                held[one.day] = one
        versions += len(history.days)
        _same_days(slots, held)
        for value in history.values:
            _in_log(case, slots, value)
    return f"{versions} versions of days; the last ones known by {known_at} were billed"


def _history(case: Case, number: int) -> History:
    return case.read(parts.numbered(parts.HISTORY, number), read_history)


def _match(slots: Slots, told: Usage, name: str) -> None:
    place = (slots.meter, slots.register, slots.begin, slots.end, slots.step)
    if place != (told.meter, told.register, told.begin, told.end, told.step):
        raise Wrong(f"{name} is of another register or span than the statement says")
    if slots.digest != told.digest:
        raise Wrong(f"{name} does not hash to the digest in the statement")
    pairs = zip(slots.deltas, slots.qualities, strict=True)
    estimated = sum(delta for delta, quality in pairs if quality in _ESTIMATED)
    if (sum(slots.deltas), estimated) != (told.quantity, told.estimated):
        raise Wrong(f"{name} does not add up to the quantity in the statement")


def _explain(case: Case, number: int, slots: Slots, found: _Counted) -> None:
    sealed = given(lambda: case.sealed, parts.SEALS).get(
        parts.numbered(parts.SEALS, number)
    )
    said = _said(sealed, slots) if sealed is not None else {}
    values = given(lambda: _history(case, number), parts.HISTORY).values
    edits = _told_by(slots, (one for one in values if one.source == _EDIT))
    others = _told_by(slots, (one for one in values if one.source != _EDIT))
    for n, (delta, quality) in enumerate(
        zip(slots.deltas, slots.qualities, strict=True)
    ):
        at = slots.begin + n * slots.step
        if quality in SEALED:
            told = said.get(at, [])
            if delta not in {wh for _, wh in told}:
                raise Wrong(f"nothing sealed says {delta} of the slot at {at}")
            found.sealed += 1
            found.outdated += max(told)[1] != delta
        elif (at, delta) not in (edits if quality == Quality.EDITED else others):
            raise Wrong(
                f"nobody said {delta} of the slot at {at}: no value of it is told"
            )
        elif quality == Quality.EDITED:
            found.edited += 1
        else:
            found.told += 1


def _said(sealed: SealedRegister, slots: Slots) -> _Saying:
    """Return by slot what every record of the register says of it."""
    if (sealed.meter, sealed.register) != (slots.meter, slots.register):
        raise Wrong("the seals are of another register than the usage")
    found: _Saying = defaultdict(list)
    looked = 0
    for seal in sealed.seals:
        count = seal.header.step // slots.step
        for record in seal.records:
            for k in _places(slots, record.start, count):
                share = _share(record.delta, k, count)
                found[record.start + k * slots.step].append((record.revision, share))
            looked = _looked(slots, record.start, count, looked)
    return found


def _places(slots: Slots, start: int, count: int) -> range:
    """Return which of the `count` slots of a longer interval lie in the usage."""
    low = -((start - slots.begin) // slots.step)
    return range(max(0, low), min(count, low + len(slots.deltas)))


def _looked(slots: Slots, start: int, count: int, before: int) -> int:
    """Count on what was looked at; Wrong where intervals lie over each other for ever."""
    looked = before + len(_places(slots, start, count))
    if looked > MAX_TIMES * len(slots.deltas) + MAX_SLOTS:
        raise Wrong(f"its slots are told more than {MAX_TIMES} times")
    return looked


def _share(delta: int, k: int, count: int) -> int:
    """Return the kth slot's part of a longer interval: equal parts that add up to it."""
    return delta * (k + 1) // count - delta * k // count


def _told_by(slots: Slots, values: Iterable[ToldValue]) -> set[tuple[int, int]]:
    """Return what values say: slots, each with its Wh."""
    found: set[tuple[int, int]] = set()
    looked = 0
    for one in values:
        count = one.length // slots.step
        looked = _looked(slots, one.start, count, looked)
        for k in _places(slots, one.start, count):
            found.add((one.start + k * slots.step, _share(one.delta, k, count)))
    return found


def _ends(case: Case, number: int, told: Usage) -> None:
    """Check what the register is said to have shown at either end, where it is said."""
    sealed = given(lambda: case.sealed, parts.SEALS).get(
        parts.numbered(parts.SEALS, number)
    )
    if sealed is None:
        return
    shown: dict[int, set[int]] = defaultdict(set)
    for seal in sealed.seals:
        for record in seal.records:
            shown[record.start].add(record.value - record.delta)
            shown[record.start + seal.header.step].add(record.value)
    ends = [(told.end, told.last)]
    # The reading up to a first bill's begin is another's, and all its revisions not shown.
    if case.has(parts.PREVIOUS):
        ends.append((told.begin, told.first))
    for at, value in ends:
        if value is not None and at in shown and value not in shown[at]:
            raise Wrong(f"the register did not show {value} at {at}")


def _same_days(slots: Slots, held: dict[int, DayVersion]) -> None:
    known = {
        one.first + n * one.step: (delta, quality)
        for one in held.values()
        for n, (delta, quality) in enumerate(
            zip(one.deltas, one.qualities, strict=True)
        )
    }
    for n, pair in enumerate(zip(slots.deltas, slots.qualities, strict=True)):
        at = slots.begin + n * slots.step
        if known.get(at) != pair:
            raise Wrong(f"no version of a day known then says so of the slot at {at}")


def _in_log(case: Case, slots: Slots, value: ToldValue) -> None:
    """Check that an edit is what its entry in the log stands for."""
    if value.source != _EDIT:
        return
    network = given(lambda: case.genesis, parts.NETWORK).network
    edit = Edit(
        network, slots.meter, slots.register, value.start, value.end, value.delta,
        value.reason, value.author, value.known_at,
    )  # fmt: skip
    if len(value.salt) != SALT_BYTES:
        raise Wrong(f"the edit at {value.start} has no salt")
    case.prove(operator_edit_entry(edit_hash(value.salt, edit)), "an edit")
