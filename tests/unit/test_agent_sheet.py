"""The recovery sheet: once, to a person, and read back digit by digit."""

from dataclasses import replace
from pathlib import Path

import pytest

from meterseal_agent.commissioning.sheet import (
    Handover,
    check_free,
    hand_over,
    parse_sheet,
    sheet_text,
)
from meterseal_agent.keystore import KeyEpoch, Keystore, KeystoreError
from meterseal_proto.enrolment import EnrolmentAnswer

SECRET = bytes(range(100, 132))
ANSWER = EnrolmentAnswer(
    *("a1", "street", "", "", "", 1, "none", "", ""), (), "127.0.0.1:1883", True, ()
)
TERMINAL = Handover(None, terminal=True)
PIPE = Handover(None, terminal=False)


@pytest.fixture
def store(tmp_path: Path) -> Keystore:
    made = Keystore(tmp_path / "data")
    made.make(KeyEpoch(), SECRET)
    return made


def given(store: Keystore, handover: Handover) -> str:
    said: list[str] = []
    hand_over(store, ANSWER, handover, said.append)
    return "\n".join(said)


def test_a_terminal_shows_the_sheet_once_and_never_again(store: Keystore) -> None:
    text = given(store, TERMINAL)
    assert parse_sheet(text) == SECRET
    assert "never\nshown again" in text
    for again in (TERMINAL, PIPE):
        text = given(store, again)
        assert text == "the recovery sheet was given out before and is not shown again"


def test_a_pipe_or_a_log_gets_no_digit_and_the_sheet_stays_to_be_had(
    store: Keystore,
) -> None:
    text = given(store, PIPE)
    assert "--sheet FILE" in text
    assert not any(SECRET.hex()[n : n + 4] in text for n in range(0, 64, 4))
    assert parse_sheet(given(store, TERMINAL)) == SECRET


def test_a_file_gets_the_sheet_with_mode_0600_and_the_terminal_then_nothing(
    store: Keystore, tmp_path: Path
) -> None:
    path = tmp_path / "sheet"
    text = given(store, Handover(path, terminal=True))
    assert SECRET.hex()[:4] not in text
    assert path.stat().st_mode & 0o777 == 0o600
    assert parse_sheet(path.read_text()) == SECRET
    assert "not shown again" in given(store, TERMINAL)


def test_a_file_that_is_there_is_never_written_over(
    store: Keystore, tmp_path: Path
) -> None:
    path = tmp_path / "sheet"
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(KeystoreError, match="another --sheet FILE"):
        given(store, Handover(path, terminal=False))
    path.unlink()
    path.write_text("mine")
    with pytest.raises(KeystoreError, match="name a new file"):
        check_free(Handover(path, terminal=False))
    assert path.read_text() == "mine"
    assert parse_sheet(given(store, TERMINAL)) == SECRET, "it was not given out"


def test_the_digits_alone_are_a_sheet_too_however_they_are_grouped() -> None:
    digits = SECRET.hex().upper()
    assert parse_sheet(digits + "\n") == SECRET
    spread = "\n".join(digits[n : n + 8] for n in range(0, 64, 8))
    assert parse_sheet(spread) == SECRET


def test_every_wrong_digit_of_this_sheet_is_noticed_and_none_is_quoted() -> None:
    sheet = sheet_text(SECRET, replace(ANSWER, agent="face", network_name="beef"))
    rows = [n for n, line in enumerate(sheet.splitlines()) if line.startswith("    6")]
    lines = sheet.splitlines()
    (first, *_) = rows
    for at, was in enumerate(lines[first]):
        if was == " ":
            continue
        for wrong in ("0" if was != "0" else "1", "O", ""):
            bad = lines[first][:at] + wrong + lines[first][at + 1 :]
            text = "\n".join([*lines[:first], bad, *lines[first + 1 :]])
            with pytest.raises(ValueError, match="digit") as caught:
                parse_sheet(text)
            assert bad.strip()[:9] not in str(caught.value)


@pytest.mark.parametrize("text", ["", "00", "zz" * 32, "00" * 33])
def test_what_is_no_sheet_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="64 hex digits"):
        parse_sheet(text)
