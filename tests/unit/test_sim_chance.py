import re
from pathlib import Path

import pytest

from meterseal_sim import faults
from meterseal_sim.chance import between, pick_weighted, unit, whole


def test_the_dice_of_a_seed_are_the_same_on_every_machine_for_ever() -> None:
    assert whole(1, "home", 3) == 4_875_543_832_901_332
    assert whole(2, "home", 3) == 5_629_098_329_812_945
    assert unit(1) == 0.9183380946908976


def test_names_do_not_run_together() -> None:
    assert whole(1, "a", "b") != whole(1, "ab")
    assert whole(1, 12, 3) != whole(1, 1, 23)


def test_dice_fill_their_range() -> None:
    thrown = [between(-4.0, 4.0, 1, number) for number in range(500)]
    assert -4 <= min(thrown) < -3.9
    assert 3.9 < max(thrown) < 4


@pytest.mark.parametrize(("share", "index"), [(0.0, 1), (0.2, 1), (0.5, 3), (0.999, 3)])
def test_a_weighted_choice_never_takes_what_weighs_nothing(
    share: float, index: int
) -> None:
    assert pick_weighted((0.0, 1.0, 0.0, 2.0), share) == index


def test_the_fault_examples_of_the_readme_are_faults() -> None:
    readme = Path(__file__).parents[2] / "firmware-sim" / "README.md"
    examples = re.findall(r"`([*\d]+:[a-z-]+:[\d:.]*)`", readme.read_text())
    assert {faults.parse(text, 0).kind for text in examples} == set(faults.Kind)
