"""Rehearsals are marked by what the scenario hides, in any words a technician finds."""

from pathlib import Path

import pytest

from meterseal_sim import marking
from meterseal_sim.refusal import Refused
from meterseal_sim.scenario import shelf
from meterseal_sim.scenario.model import Scenario
from meterseal_sim.scenario.read import Given


def rehearsal(name: str, seed: int = 1) -> Scenario:
    return shelf.shipped(shelf.REHEARSALS, name, Given(1_782_864_000, Path(), seed))


def rights(scenario: Scenario, answer: str) -> dict[str, bool]:
    return {one.fact: one.right for one in marking.mark(scenario, answer)}


@pytest.mark.parametrize("name", shelf.names(shelf.REHEARSALS))
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_right_answer_is_all_right_and_an_empty_one_all_wrong(
    name: str, seed: int
) -> None:
    scenario = rehearsal(name, seed)
    right = marking.solution(scenario)
    assert set(
        rights(scenario, " ".join(f"{k}={v}" for k, v in right.items())).values()
    ) == {True}
    assert set(rights(scenario, ", ".join(right.values())).values()) == {True}
    assert set(rights(scenario, "no idea").values()) == {False}


def test_the_seed_hides_it_elsewhere() -> None:
    names = ("reversed-ct", "swapped-cts", "dead-unit", "noisy-cable", "stuck-meter")
    for name in names:
        found = {str(marking.solution(rehearsal(name, seed))) for seed in range(12)}
        assert len(found) > 1, name


def test_another_phase_pair_or_meter_is_wrong() -> None:
    reversed_ct = rehearsal("reversed-ct")
    right = marking.solution(reversed_ct)["phase"]
    for phase in {"L1", "L2", "L3"} - {right}:
        assert rights(reversed_ct, f"CT on {phase} reversed") == {
            "kind": True,
            "phase": False,
        }
    dead = rehearsal("dead-unit")
    unit = int(marking.solution(dead)["meter"].removeprefix("unit/"))
    assert rights(dead, f"unit {unit} is dead") == {"meter": True, "kind": True}
    assert rights(dead, f"unit {unit % 5 + 1} is dead")["meter"] is False


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("reversed-ct", "CT on {phase} reversed"),
        (
            "reversed-ct",
            "the current transformer of phase {phase} is the wrong way round",
        ),
        ("swapped-cts", "the CTs of {phases} are swapped"),
        ("swapped-cts", "changed over CTs between {phases}"),
        ("missing-phase", "{phase} has no voltage"),
        ("missing-phase", "fuse of {phase} is gone"),
        ("dead-unit", "{meter} does not answer"),
        ("noisy-cable", "noise on the cable of {meter}"),
        ("one-address", "two meters have the same address, {meter}"),
        ("stuck-meter", "{meter} is stuck"),
        ("swapped-words", "words of {meter} are in the wrong order"),
        ("step-back", "{meter} stepped backwards by {amount} Wh"),
        ("slow-meter", "{meter}, about 1240 ms late"),
        ("late-reply", "{meter} answers after the next question"),
        ("no-value", "{meter} sends NaN"),
    ],
)
def test_a_technicians_words_are_understood(name: str, answer: str) -> None:
    scenario = rehearsal(name)
    said = answer.format(**marking.solution(scenario))
    assert set(rights(scenario, said).values()) == {True}, said


def test_an_answer_that_names_two_phases_for_one_is_not_right() -> None:
    assert (
        rights(rehearsal("reversed-ct"), "L1 or L2 or L3, reversed")["phase"] is False
    )


def test_an_amount_is_right_within_a_tenth() -> None:
    scenario = rehearsal("step-back")
    assert rights(scenario, "amount=700")["amount"] is True
    assert rights(scenario, "amount=600")["amount"] is False


def test_a_scenario_without_a_task_has_nothing_to_mark() -> None:
    plain = shelf.shipped(shelf.SCENARIOS, "rs485-line", Given(0, Path()))
    with pytest.raises(Refused, match="nothing to mark"):
        marking.mark(plain, "anything")
    assert marking.solution(plain) == {}
