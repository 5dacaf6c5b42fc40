"""What a technician measures: comparison, load step and line quality, judged by rules."""

from fractions import Fraction

import pytest

from meterseal_agent.commissioning.compare import CLAMP_PERCENT, Compared, compare
from meterseal_agent.commissioning.finding import Grade
from meterseal_agent.commissioning.loadstep import Shown, Step, judge
from meterseal_agent.commissioning.phases import Phase
from meterseal_agent.commissioning.quality import (
    Outcome,
    Try,
    advice,
    histogram,
    quality,
)


@pytest.mark.parametrize(
    ("shown", "reference", "grade", "says"),
    [
        ("10.3", "10", Grade.GOOD, "error +3.00 %"),
        ("9.4", "10", Grade.BAD, "error -6.00 %"),
        ("5.1", "10", Grade.BAD, "is the CT ratio half"),
        ("-10", "10", Grade.BAD, "the signs differ"),
        ("1.01", "1000", Grade.BAD, "kWh on one side and Wh on the other"),
        ("398", "230", Grade.BAD, "voltage between phases"),
        ("0", "10", Grade.BAD, "the meter sees nothing of it"),
        ("3", "0", Grade.BAD, "the reference shows nothing"),
        ("0", "0", Grade.NOTE, "under load"),
        ("-9.9", "-10", Grade.GOOD, "error +1.00 %"),
    ],
)
def test_a_meters_error_is_said_in_percent_with_its_likely_cause(
    shown: str, reference: str, grade: Grade, says: str
) -> None:
    pair = Compared(Fraction(shown), Fraction(reference))
    found = compare("L1 current", pair, "A", CLAMP_PERCENT)
    assert (found.grade, says in found.text) == (grade, True)


def shown(*powers: int) -> Shown:
    phases = tuple(Phase(f"L{n}", power_w=p) for n, p in enumerate(powers, 1))
    return Shown(phases, sum(powers))


@pytest.mark.parametrize(
    ("after", "step", "wrong"),
    [
        ((100, 2_150, 50), Step(2_000, "L2"), {}),
        ((100, 2_150, 50), Step(2_000), {}),
        ((100, -1_850, 50), Step(2_000, "L2"), {"total": "reversed", "L2": "reversed"}),
        ((2_100, 150, 50), Step(2_000, "L2"), {"L2": "swapped"}),
        ((100, 150, 50), Step(2_000, "L2"), None),
        ((100, 1_150, 50), Step(2_000, "L2"), {"total": "ratio", "L2": "ratio"}),
    ],
)
def test_a_load_step_tells_phase_sign_and_size(
    after: tuple[int, ...], step: Step, wrong: dict[str, str] | None
) -> None:
    findings = judge(shown(100, 150, 50), shown(*after), step)
    found = {f.where: f.text for f in findings if f.grade is Grade.BAD}
    if wrong is None:
        assert "does not see this load" in found["total"]
        return
    assert set(found) == set(wrong)
    assert all(word in found[where] for where, word in wrong.items())


def test_a_load_step_too_small_to_see_is_not_judged() -> None:
    (only,) = judge(shown(0), shown(60), Step(60))
    assert (only.grade, "at least 500 W" in only.text) == (Grade.NOTE, True)


def run(good: int, silent: int = 0, noise: int = 0, ms: float = 40) -> list[Try]:
    return [
        *[Try(Outcome.ANSWERED, ms)] * good,
        *[Try(Outcome.SILENT, 800)] * silent,
        *[Try(Outcome.NOISE, 60)] * noise,
    ]


def test_a_histogram_shows_every_answer_in_its_class() -> None:
    tries = [Try(Outcome.ANSWERED, ms) for ms in (4, 5, 6, 40, 40, 1001)]
    lines = histogram(quality(tries))
    assert [line.split("#")[0].split() for line in lines] == [
        ["<=", "5", "ms", "2"],
        ["<=", "10", "ms", "1"],
        ["<=", "50", "ms", "2"],
        [">", "1000", "ms", "1"],
    ]
    assert histogram(quality([])) == []


def test_percentiles_are_answers_that_came() -> None:
    figures = quality([Try(Outcome.ANSWERED, float(ms)) for ms in range(1, 201)])
    assert (figures.percentile_ms(50), figures.percentile_ms(99)) == (100.0, 198.0)
    assert figures.percentile_ms(100) == 200.0
    assert quality([]).percentile_ms(50) == 0.0


@pytest.mark.parametrize(
    ("tries", "grade", "says"),
    [
        (run(200), Grade.GOOD, "nothing failed"),
        (run(199, silent=1), Grade.NOTE, "the next reading makes up for it"),
        (run(190, silent=10), Grade.BAD, "10 of 200 requests went unanswered"),
        (run(190, noise=10), Grade.BAD, "termination"),
        (run(199, noise=1), Grade.NOTE, "termination"),
        (run(0, silent=200), Grade.BAD, "it never answers: check address, baud rate"),
        (run(200, ms=700), Grade.BAD, "raise its timeout_ms"),
    ],
)
def test_advice_follows_from_the_figures(
    tries: list[Try], grade: Grade, says: str
) -> None:
    (found,) = advice(quality(tries), serial=True)
    assert (found.grade, says in found.text) == (grade, True)


def test_now_and_then_a_late_answer_tells_of_another_master() -> None:
    tries = [*run(196, ms=10), *run(4, ms=150)]
    (found,) = advice(quality(tries), serial=True)
    assert "something else is asking" in found.text
