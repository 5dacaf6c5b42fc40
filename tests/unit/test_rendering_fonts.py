"""Fonts for paper are found in folders, whole pairs only, and never demanded without need."""

from pathlib import Path

import pytest

from meterseal_aggregator.billing.rendering import Fonts, Kind, Language, render
from meterseal_aggregator.billing.rendering.fonts import (
    Face,
    find_fonts,
    in_core_fonts,
    needs_devanagari,
    set_in,
)
from tests.support.renderings import request


def test_an_empty_folder_has_no_fonts(tmp_path: Path) -> None:
    assert find_fonts((tmp_path,)) == Fonts(None, None)
    assert not find_fonts((tmp_path,)).write_hindi


def test_a_face_is_found_when_both_its_weights_are_there(tmp_path: Path) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    first.mkdir()
    second.mkdir()
    (first / "DejaVuSans.ttf").touch()
    for name in ("NotoSans-Regular.ttf", "NotoSans-Bold.ttf", "Lohit-Devanagari.ttf"):
        (second / name).touch()
    found = find_fonts((first, second))
    text = Face(second / "NotoSans-Regular.ttf", second / "NotoSans-Bold.ttf")
    lohit = second / "Lohit-Devanagari.ttf"
    assert found == Fonts(text, Face(lohit, lohit))


def test_a_bill_in_western_letters_is_the_same_whatever_fonts_there_are() -> None:
    asked = request(Language.FR)
    assert render(Kind.PDF, asked) == render(Kind.PDF, asked, Fonts())


@pytest.mark.parametrize(
    ("text", "yes"), [("€ é œ ß", True), ("Ł", False), ("क", False)]
)
def test_standard_fonts_have_western_letters(text: str, yes: object) -> None:
    assert in_core_fonts(text) is yes


def test_letters_come_whole_and_narrow_blanks_become_blanks() -> None:
    assert set_in("e\u0301", None) == "é"
    assert set_in("1\u202f000", None) == "1\u00a0000"
    assert needs_devanagari(["abc", "abक"])
    assert not needs_devanagari(["abc"])
