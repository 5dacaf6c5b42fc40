"""Pure: a technician's answer, marked against what a rehearsal really hides.

The right answer is nowhere written down: it is asked of the scenario's own fault, so
a seed that hides it elsewhere is marked rightly too. Must never tell the answer
unless it is asked to.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from meterseal_sim.faults import Fault, Kind
from meterseal_sim.faults.model import ALSO
from meterseal_sim.refusal import Refused
from meterseal_sim.scenario.model import Scenario

TOLERANCE = 0.1
"""An amount read off a bus within a tenth of the right one is found."""
PAIR_LENGTH = 2

KIND_WORDS: Sequence[tuple[str, Kind]] = (
    (r"word", Kind.SWAPPED_WORDS),
    (r"revers|wrong way|turned|polarity|backwards ct", Kind.CT_REVERSED),
    (r"(swap|change|exchange|mixed|cross)\w*.*\bct|\bcts?\b.*(swap|change|exchange|mix|cross)", Kind.CT_SWAPPED),
    (r"(missing|no|lost|dead) (phase|voltage|l[123])|phase\w* (is )?missing|fuse", Kind.MISSING_PHASE),
    (r"same (address|unit|id)|(two|double|duplicate)\w* .*(address|unit|id)\b|collision", Kind.COLLISION),
    (r"wrong (unit|address|id)|other (unit|address)", Kind.WRONG_UNIT),
    (r"after the next|late", Kind.LATE),
    (r"slow|delay", Kind.DELAY),
    (r"busy|exception 6", Kind.BUSY),
    (r"illegal|exception 2", Kind.ILLEGAL_ADDRESS),
    (r"stuck|frozen|stand\w* still|froze", Kind.FROZEN),
    (r"roll\w* ?over|overflow", Kind.ROLLOVER),
    (r"reset|from 0 again|from zero", Kind.RESET),
    (r"backward|step\w* back|less", Kind.BACKWARD),
    (r"\bnan\b|not available|not a number", Kind.NAN),
    (r"crc", Kind.WRONG_CRC),
    (r"noise|noisy|cable|spike", Kind.NOISE),
    (r"truncat|cut|short", Kind.TRUNCATED),
    (r"brown|zeros", Kind.BROWN_OUT),
    (r"clock", Kind.CLOCK_JUMP),
    (r"silen|dead|no answer|not answer", Kind.SILENCE),
)  # fmt: skip
"""What technicians call the kinds, the most telling words first."""


@dataclass(frozen=True, slots=True)
class Mark:
    """One fact of the answer: what was said (None: nothing), and is it right."""

    fact: str
    said: str | None
    right: bool


def mark(scenario: Scenario, answer: str) -> list[Mark]:
    """Return a mark for each fact the task asks for; raises Refused without a task.

    `answer` is free text ("CT on L2 reversed, unit 3") or `fact=value` words.
    """
    if scenario.task is None or len(scenario.faults) != 1:
        raise Refused(f"{scenario.title} is no rehearsal: there is nothing to mark")
    fault = scenario.faults[0]
    said = {fact: _said(fact, answer, scenario) for fact in scenario.task.asked}
    return [
        Mark(fact, said[fact], _right(fact, said[fact], fault, scenario))
        for fact in scenario.task.asked
    ]


def solution(scenario: Scenario) -> dict[str, str]:
    """Return the right answer to every fact asked, from the fault itself."""
    if scenario.task is None:
        return {}
    fault = scenario.faults[0]
    return {fact: _truth(fact, fault, scenario) for fact in scenario.task.asked}


def _truth(fact: str, fault: Fault, scenario: Scenario) -> str:
    match fact:
        case "meter":
            return scenario.meter(fault.home).name
        case "kind":
            return str(fault.kind)
        case "phase":
            return f"L{fault.amount}"
        case "phases":
            return " ".join(f"L{phase}" for phase in str(fault.amount))
        case _:
            return str(fault.amount)


def _right(fact: str, said: str | None, fault: Fault, scenario: Scenario) -> bool:
    if said is None:
        return False
    truth = _truth(fact, fault, scenario)
    if fact == "amount":
        return abs(abs(int(said)) - abs(int(truth))) <= TOLERANCE * abs(int(truth))
    return said == truth


def _said(fact: str, answer: str, scenario: Scenario) -> str | None:
    """Return what the answer says of a fact, in the words of `_truth`."""
    given = re.search(rf"\b{fact}\s*[=:]\s*([^,;]+?)(?=\s+\w+\s*[=:]|[,;]|$)", answer)
    text = given.group(1).strip() if given else answer
    return _READERS[fact](text.lower(), scenario)


def _meter(text: str, scenario: Scenario) -> str | None:
    homes = sorted(scenario.meters, key=lambda meter: -len(meter.name))
    for meter in homes:
        if re.search(rf"(?<![\w/]){re.escape(meter.name.lower())}(?![\w/])", text):
            return meter.name
    number = re.search(r"\b(?:unit|meter|address|id)?\s*#?(?<![l\d])(\d{1,3})\b", text)
    units = [
        m.name for m in scenario.meters if number and m.unit == int(number.group(1))
    ]
    return units[0] if len(units) == 1 else None


def _kind(text: str, _scenario: Scenario) -> str | None:
    spaced = text.replace("-", " ").replace("_", " ")
    for kind in sorted(Kind, key=lambda kind: -len(kind)):
        if re.search(rf"\b{kind.replace('-', ' ')}\b", spaced):
            return str(kind)
    for word, kind in ALSO.items():
        if re.search(rf"\b{word.replace('-', ' ')}\b", spaced):
            return str(kind)
    for pattern, kind in KIND_WORDS:
        if re.search(pattern, spaced):
            return str(kind)
    return None


def _phases_in(text: str) -> list[str]:
    return [f"L{digit}" for digit in re.findall(r"l([123])", text)]


def _phase(text: str, _scenario: Scenario) -> str | None:
    found = _phases_in(text) or [
        f"L{digit}"
        for digit in re.findall(r"\bphase ([123])\b|^([123])$", text)
        for digit in digit
        if digit
    ]
    return found[0] if len(set(found)) == 1 else None


def _phases(text: str, _scenario: Scenario) -> str | None:
    found = sorted(set(_phases_in(text)))
    return " ".join(found) if len(found) == PAIR_LENGTH else None


def _amount(text: str, _scenario: Scenario) -> str | None:
    found = re.findall(
        r"(?<![l\w./])-?\d+(?![\w/])|(?<=\s)-?\d+(?=\s*(?:wh|s|ms)\b)", text
    )
    return found[-1] if found else None


_READERS: dict[str, Callable[[str, Scenario], str | None]] = {
    "meter": _meter,
    "kind": _kind,
    "phase": _phase,
    "phases": _phases,
    "amount": _amount,
}
