"""The claims of a total file, each judged on its own and by name.

Network and checkpoint are judged as a bundle's are. Then: that the set is of K_MIN meters
or more, each once, on one day at one register; that three trustees signed exactly that set;
that two of them answered for it; that the commitments add up to the total; and that the
set is logged, once and for everybody. A file cannot tell that no other set of the day is
in the log, nor that its meters are real: the log's auditor and the trustees look at those.
This module must never raise for anything a file holds.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from meterseal_proto.bundle import Bundle, KeyEvidence, Logged, SealEvidence
from meterseal_proto.claims import (
    ANCHOR,
    Claim,
    Expectation,
    Facts,
    Unasked,
    Wrong,
    facts_of,
    included,
    judge_one,
    judge_shared,
)
from meterseal_proto.claims_anchor import anchored
from meterseal_proto.entry import reporting_entry
from meterseal_proto.reporting import (
    LATE,
    Act,
    Place,
    Reported,
    answered_by,
    signed,
    statement,
)
from meterseal_proto.seal import MODE_COMMITTED, Header, Seal
from meterseal_proto.totalfile import TotalFile, TrusteeEvidence
from meterseal_proto.totals import K_MIN, SEEDS, Mask, Masked, proves
from meterseal_proto.units import obis_text

_DAY_S: Final = 86_400
_EAST_S: Final = 14 * 3_600
_WEST_S: Final = 12 * 3_600
"""Zones lie between UTC+14 and UTC-12; a local midnight is no further from UTC's."""
_SHORTEST_S: Final = 23 * 3_600
_LONGEST_S: Final = 25 * 3_600


@dataclass(frozen=True, slots=True)
class _Case:
    """A file, and what its claims share with a bundle's."""

    file: TotalFile
    facts: Facts

    @property
    def reported(self) -> list[Reported]:
        return [one.reported for one in self.file.members]

    @property
    def headers(self) -> list[Header]:
        return [one.header for one in self.reported]

    def stated(self) -> bytes:
        """Return what trustees sign of this set; raises Unasked where it is none."""
        genesis = self.file.genesis
        place = Place(genesis.network, self.file.cell, self.file.day)
        try:
            return statement(place, self.reported, genesis.chain_id)
        except ValueError:
            raise Unasked("the members are no set") from None


def judge_total(file: TotalFile, expectation: Expectation) -> tuple[Claim, ...]:
    """Judge every claim of a file, in the order a reader follows them."""
    bare = Seal(file.members[0].reported.header, b"", (), ())
    nowhere = Logged(0, ())
    bundle = Bundle(
        file.genesis, KeyEvidence(b"", nowhere), SealEvidence(bare, nowhere),
        file.checkpoint, receipt=None, anchor=file.anchor,
    )  # fmt: skip
    case = _Case(file, facts_of(bundle, expectation))
    own = tuple(_judged(name, check, case) for name, check in TOTAL_CLAIMS)
    return (*judge_shared(case.facts, keyed=False), *own)


def _judged(name: str, check: Callable[[_Case], str], case: _Case) -> Claim:
    return judge_one(name, lambda _: check(case), case.facts)


def _set(case: _Case) -> str:
    headers = case.headers
    meters = {header.meter for header in headers}
    if not K_MIN <= len(meters) == len(headers):
        raise Wrong(f"a set has {K_MIN} meters or more, each once")
    if {header.network for header in headers} != {case.file.genesis.network}:
        raise Wrong("a member is of another network")
    if any(header.mode != MODE_COMMITTED for header in headers):
        raise Wrong("a member is an open seal")
    if len({header.register for header in headers}) > 1:
        raise Wrong("the members are of different registers")
    spans = {(header.first, header.end) for header in headers}
    if len(spans) > 1:
        raise Wrong("the members are of different days")
    ((first, end),) = spans
    offset = first - case.file.day * _DAY_S
    if not (-_EAST_S <= offset <= _WEST_S and _SHORTEST_S <= end - first <= _LONGEST_S):
        raise Wrong("the members are not of a whole day of that date")
    register = obis_text(headers[0].register)
    where = "late homes" if case.file.cell == LATE else f"cell {case.file.cell}"
    return f"{len(meters)} meters of {where}, {register}, from {first} to {end}"


def _trustees(case: _Case) -> str:
    trustees, stated = case.file.trustees, case.stated()
    if [one.key.number for one in trustees] != list(range(SEEDS)):
        raise Wrong(f"{SEEDS} trustees, by their numbers")
    if len({one.key.sign for one in trustees}) < SEEDS:
        raise Wrong("two trustees have the same key")
    for one in trustees:
        if not signed(one.key.sign, Act.SET, stated, one.signature):
            raise Wrong(f"trustee {one.key.number} did not sign this set")
    return f"all three signed the set {stated.hex()}"


def _your_trustees(case: _Case) -> str:
    prints = [one.key.fingerprint() for one in case.file.trustees]
    known = case.facts.expectation.trustees
    if not known:
        shown = "; ".join(prints)
        raise Unasked(f"compare with your commissioning sheet, or --trustee: {shown}")
    if {"".join(one.split()).lower() for one in known} != {
        "".join(one.split()) for one in prints
    }:
        raise Wrong("the trustees are not those you named")
    return "the trustees are those you named"


def _answers(case: _Case) -> str:
    stated = case.stated()
    answered = [one for one in case.file.trustees if one.answer is not None]
    sums: dict[int, Mask] = {}
    for one in answered:
        for seed, mask in _sums(one, stated).items():
            if sums.setdefault(seed, mask) != mask:
                raise Wrong(f"two trustees' answers differ in seed {seed}")
    if len(answered) < SEEDS - 1 or set(sums) != set(range(SEEDS)):
        raise Wrong("two trustees' answers take the masks off, fewer do not")
    numbers = " and ".join(str(one.key.number) for one in answered)
    return f"trustees {numbers} answered for this very set"


def _sums(one: TrusteeEvidence, stated: bytes) -> dict[int, Mask]:
    assert one.answer is not None
    key, sums = one.key, dict(one.answer.sums)
    if not answered_by(key.sign, key.number, stated, sums, one.answer.signature):
        raise Wrong(f"trustee {key.number} did not sign that answer")
    return sums


def _total(case: _Case) -> str:
    file = case.file
    found = Masked(file.value, int.from_bytes(file.blinding))
    if not proves(found, [header.sum for header in case.headers]):
        raise Wrong("the commitments do not add up to the total")
    return (
        f"{len(file.members)} commitments add up to {file.value}, and to nothing else"
    )


def _inclusion(case: _Case) -> str:
    file = case.file
    entry = reporting_entry(
        file.genesis.network, file.cell, file.day, case.stated(), len(file.members)
    )
    included(case.facts, entry, file.reporting)
    return f"the set is entry {file.reporting.index} of the log"


def _anchor(case: _Case) -> str:
    return anchored(case.facts, case.file.reporting.index)


TOTAL_CLAIMS: Final[tuple[tuple[str, Callable[[_Case], str]], ...]] = (
    ("set", _set),
    ("trustees", _trustees),
    ("your-trustees", _your_trustees),
    ("answers", _answers),
    ("total", _total),
    ("inclusion", _inclusion),
    (ANCHOR, _anchor),
)
"""Every claim a total file makes beside those of network and checkpoint."""
