"""What evidence of a private bill claims of what neighbours sold: its slots used no less.

The device's range proofs hold over the commitments of the days that the bill stands on, a
key of its register that the log has signed all of it, and slot for slot it is what the
market delivered and the bill netted. That lines follow from it is for `lines`, that the Wh
were retired for `netted`. This module must never learn a usage.
"""

from functools import partial
from typing import Final

from meterseal_proto.claims import Unasked, Wrong
from meterseal_proto.evidence import contents as parts
from meterseal_proto.evidence.billedcase import Billed
from meterseal_proto.evidence.claims import Key, given
from meterseal_proto.netting import BadNetting, ProvedNetting, check_netting
from meterseal_proto.privatefile import DayEvidence
from meterseal_proto.rating.statement import Usage
from meterseal_proto.seal import MODE_COMMITTED

NAME: Final = "netting-1"
"""The claim, as the file: a bill's private register netted once."""


def is_asked(case: Billed) -> bool:
    """Tell whether a file of a netting is there, or has to be."""
    try:
        hidden = _hidden(case)
    except Unasked:
        hidden = []
    return case.has(parts.NETTING) or (bool(hidden) and case.has(parts.NETTED))


def judge_netting(case: Billed) -> str:
    """Judge what a private register's device netted; raises Wrong or Unasked."""
    proved = case.netting
    if proved is None:
        raise Wrong(f"{parts.NETTING} is missing: nobody proved what was netted")
    hidden = _hidden(case)
    if not hidden:
        raise Wrong("the bill stands on no private register that could net")
    number, told = hidden[0]
    netting = proved.netting
    place = (netting.meter, netting.register, netting.begin, netting.end)
    if place != (told.meter, told.register, told.begin, told.end):
        raise Wrong("it is of another register or period than the statement says")
    file = given(partial(case.private, number), parts.PRIVATE)
    chain_id = given(lambda: case.genesis, parts.NETWORK).chain_id
    days = {day.header.digest(chain_id): day for day in file.days}
    _check_proofs(proved, days, _key(case, proved))
    _check_slots(case, proved)
    count = sum(1 for _ in netting.slots())
    return f"{count} slots used at least the {netting.wh} Wh that are netted of them"


def _hidden(case: Billed) -> list[tuple[int, Usage]]:
    """Return what a bill stands on of a private register, with the numbers of its files."""
    return [
        (number, told) for number, told in enumerate(case.known.usage, 1) if told.proof
    ]


def _key(case: Billed, proved: ProvedNetting) -> Key:
    """Return the logged key of the register that signed a netting."""
    netting = proved.netting
    for key in case.keys:
        event = key.event
        if (event.meter, event.register) != (netting.meter, netting.register):
            continue
        if event.mode != MODE_COMMITTED:
            continue
        if key.public.verify(netting.digest(), proved.consent):
            return key
    raise Wrong(f"no key of {parts.KEYS} that is the register's signed it")


def _check_proofs(
    proved: ProvedNetting, days: dict[bytes, DayEvidence], key: Key
) -> None:
    for day in proved.netting.days:
        known = days.get(day.header)
        if known is None or (known.header.first, known.header.step) != (
            day.first, day.step,
        ):  # fmt: skip
            raise Wrong(f"the day from {day.first} is none that the bill stands on")
    try:
        check_netting(
            proved,
            {
                digest: [one.commitment for one in day.records]
                for digest, day in days.items()
            },
            {digest: day.header.bits for digest, day in days.items()},
            key.public,
        )
    except BadNetting as error:
        raise Wrong(str(error)) from None


def _check_slots(case: Billed, proved: ProvedNetting) -> None:
    """Raise Wrong unless the slots are, market slot by market slot, what was netted."""
    slots = dict(proved.netting.slots())
    # A slot of the register is of the shortest of the market's that hold it.
    netted = sorted(given(lambda: case.netted, parts.NETTED), key=lambda o: o.length)
    for one in netted:
        within = [at for at in slots if one.start <= at < one.start + one.length]
        wh = sum(slots.pop(at) for at in within)
        if wh != one.wh:
            raise Wrong(
                f"{one.wh} Wh of the market's slot at {one.start} were netted, the"
                f" device proved {wh}"
            )
    if slots:
        raise Wrong(f"the slot at {min(slots)} is proved, and nobody sold for it")
