"""A member's openings held against a proof or bill file: does it add up from his usage?

Each opening must open the commitment of its slot; then the usage, the amount and its lines
are computed in the open, without the bill's proof. These claims stand beside those of
`claims_private` and never instead of them: they say nothing of signatures or the log. Their
texts hold usage, for whoever has the openings has it. This module must never raise for
anything a file holds.
"""

from collections import Counter
from dataclasses import dataclass

from meterseal_proto.claims import (
    Claim,
    Expectation,
    Verdict,
    Wrong,
    judge_one,
)
from meterseal_proto.claims_private import prices_of
from meterseal_proto.commitment import opens
from meterseal_proto.privatefile import BillEvidence, DayEvidence, PrivateFile
from meterseal_proto.tariff import parse_tariff
from meterseal_proto.usagefile import OpenedDay, UsageFile


@dataclass(frozen=True, slots=True)
class _Case:
    """A file, the openings given with it, and the reader's clocks."""

    file: PrivateFile
    usage: UsageFile
    expectation: Expectation

    def opened(self) -> list[OpenedDay]:
        """Return the opening of each of the file's days; raises Wrong without one."""
        by_header = {day.header: day for day in self.usage.days}
        found = []
        for day in self.file.days:
            digest = day.header.digest(self.file.genesis.chain_id)
            if digest not in by_header:
                raise Wrong(f"the day from {day.header.first} is not in the openings")
            found.append(by_header[digest])
        return found

    def values(self) -> list[int]:
        """Return the usage of every slot of the file, in order; raises Wrong."""
        return [value for day in self.opened() for value in day.values]


def judge_usage(
    file: PrivateFile, usage: UsageFile, expectation: Expectation
) -> tuple[Claim, ...]:
    """Judge a member's openings against a file, then what they add up to, line by line."""
    case = _Case(file, usage, expectation)
    opened = judge_one("openings", _openings, case)
    if file.bill is None or opened.verdict is not Verdict.PASS:
        return (opened,)
    recomputed = judge_one("recomputed", _recomputed, case)
    if recomputed.verdict is not Verdict.PASS:
        return opened, recomputed
    lines = (Claim("line", Verdict.PASS, text) for text in _lines(file.bill, case))
    return (opened, recomputed, *lines)


def _openings(case: _Case) -> str:
    usage = case.usage
    for day, opened in zip(case.file.days, case.opened(), strict=True):
        header = day.header
        if (header.network, header.meter, header.register) != (
            usage.network, usage.meter, usage.register,
        ):  # fmt: skip
            raise Wrong("the openings are of another meter or register")
        _opens(day, opened)
    values = case.values()
    return f"{len(values)} openings open the commitments: {sum(values)} Wh or litres in all"


def _opens(day: DayEvidence, opened: OpenedDay) -> None:
    header = day.header
    if (opened.first, opened.step) != (header.first, header.step):
        raise Wrong(f"the openings place the day from {header.first} elsewhere")
    if len(opened.values) != header.count:
        raise Wrong(f"the day from {header.first} has {header.count} slots")
    for record, value, blinding in zip(
        day.records, opened.values, opened.blindings, strict=True
    ):
        if not opens(record.commitment, value, blinding):
            raise Wrong(f"the slot at {record.start} does not open to {value}")


def _recomputed(case: _Case) -> str:
    assert case.file.bill is not None
    amount = sum(used * price for price, used in _classes(case).items())
    billed = case.file.bill.bill.statement.amount
    if amount != billed:
        raise Wrong(f"the usage costs {amount}, the bill says {billed}")
    return f"the usage costs {amount} micro-units x Wh / kWh, as the bill says"


def _lines(bill: BillEvidence, case: _Case) -> list[str]:
    """Return what was used at each price of the tariff, dearest first."""
    tariff = parse_tariff(bill.tariff)
    return [
        f"{used} at {price} micro-{tariff.currency} per thousand: {used * price}"
        for price, used in sorted(_classes(case).items(), reverse=True)
    ]


def _classes(case: _Case) -> Counter[int]:
    """Return the usage of each price."""
    found = Counter[int]()
    prices = prices_of(case.file, case.expectation)
    for price, value in zip(prices, case.values(), strict=True):
        found[price] += value
    return found
