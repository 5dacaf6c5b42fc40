"""Shares on paper: which line, which sheet, which set and whose, when something is wrong."""

from dataclasses import replace
from itertools import combinations
from pathlib import Path

import pytest

from meterseal_agent.commissioning.shares import (
    Share,
    combine_shares,
    make_shares,
    parse_share,
    read_shares,
)
from meterseal_agent.commissioning.sheet import Handover, check_free, hand_over
from meterseal_agent.commissioning.split import split
from meterseal_agent.keystore import KeyEpoch, Keystore, KeystoreError
from meterseal_proto.enrolment import EnrolmentAnswer

SECRET = bytes(range(100, 132))
ANSWER = EnrolmentAnswer(
    *("a1", "street", "", "", "", 1, "none", "", ""), (), "127.0.0.1:1883", True, ()
)


@pytest.fixture
def store(tmp_path: Path) -> Keystore:
    made = Keystore(tmp_path / "data")
    made.make(KeyEpoch(), SECRET)
    return made


def test_a_share_has_its_one_spelling() -> None:
    """The sheet's bytes are golden: what is on paper must be read for decades."""
    raw = split(SECRET, bytes(range(36)))[2]
    sheet = Share("a1", "street", "0badcafe", 2, raw).text()
    assert sheet.splitlines()[: len(GOLDEN)] == GOLDEN
    assert parse_share(sheet).raw == raw


GOLDEN = [
    "SHARE 2 of 3 of agent a1 in network street, set 0badcafe",
    "",
    "    1: 6467 6261 6063 - a16f",
    "    2: 6665 7c7f 7a79 - ede5",
    "    3: 686b 6e6d 5457 - 57d5",
    "    4: 5251 5053 5655 - 4e4d",
    "    5: 4c4f 4a49 b8bb - b9cd",
    "    6: bebd 1545 ec8f - 374f",
]


def test_any_two_sheets_bring_the_secret_back(store: Keystore, tmp_path: Path) -> None:
    folder, said = tmp_path / "out", list[str]()
    hand_over(store, ANSWER, Handover(None, True, folder), said.append)
    files = sorted(folder.iterdir())
    assert [file.stat().st_mode & 0o777 for file in files] == [0o600] * 3
    assert "any two" in said[0].lower()
    assert not any(SECRET.hex()[n : n + 4] in said[0] for n in range(0, 64, 4))
    for pair in (*combinations(files, 2), files):
        assert read_shares(list(pair)) == (SECRET, "a1")
    hand_over(store, ANSWER, Handover(None, True), said.append)
    assert said[1] == "the recovery sheet was given out before and is not shown again"


def test_a_folder_that_is_there_is_never_written_into(
    store: Keystore, tmp_path: Path
) -> None:
    handover = Handover(None, False, tmp_path)
    with pytest.raises(KeystoreError, match="new folder"):
        check_free(handover)
    with pytest.raises(KeystoreError, match="new folder"):
        hand_over(store, ANSWER, handover, print)
    assert not store.paths.sheet_shown.exists(), "they were not given out"


def test_every_wrong_digit_is_noticed_by_its_line_and_none_is_quoted() -> None:
    (one, *_) = make_shares(SECRET, "a1", "street")
    lines = one.text().splitlines()
    for row in range(2, 8):
        for at, was in enumerate(lines[row]):
            if at < 7 or was in " -":
                continue
            for wrong in ("0" if was != "0" else "1", "o", ""):
                bad = lines[row][:at] + wrong + lines[row][at + 1 :]
                with pytest.raises(ValueError, match=f"line {row - 1} is") as caught:
                    parse_share("\n".join([*lines[:row], bad, *lines[row + 1 :]]))
                assert lines[row][7:11] not in str(caught.value).split("set")[0]


def test_a_share_under_another_ones_title_is_noticed() -> None:
    one, two, _ = make_shares(SECRET, "a1", "street")
    for other in (two, replace(one, agent="a2"), replace(one, set_id="00000000")):
        head, _, body = one.text().partition("\n")
        text = other.text().partition("\n")[0] + "\n" + body
        assert head not in text
        with pytest.raises(ValueError, match="no line's check fits"):
            parse_share(text)


def test_lines_that_are_missing_or_doubled_are_noticed() -> None:
    (one, *_) = make_shares(SECRET, "a1", "street")
    lines = one.text().splitlines()
    for bad in ([*lines[:4], *lines[5:]], [*lines[:4], *lines[3:]], [], lines[1:]):
        with pytest.raises(ValueError, match=r"lines 1 to 6|begin like"):
            parse_share("\n".join(bad))


def told(**shares: Share) -> str:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - its text is what is tested
        combine_shares(shares)
    return str(caught.value)


def test_it_is_said_which_shares_do_not_go_together() -> None:
    one, two, three = make_shares(SECRET, "a1", "street")
    _, strange, _ = make_shares(SECRET, "a2", "street")
    _, older, _ = make_shares(SECRET, "a1", "street")
    assert "left is of agent a1" in told(left=one, right=strange)
    assert "right of agent a2" in told(left=one, right=strange)
    assert f"right of set {older.set_id}" in told(left=one, right=older)
    assert "left and right are both share 1" in told(left=one, right=one)
    assert "two shares are needed" in told(left=one)
    bad = replace(two, raw=three.raw)
    assert "left and right: they are not of one secret" in told(left=one, right=bad)


def test_a_file_that_is_no_share_is_named(tmp_path: Path) -> None:
    good, bad = tmp_path / "good", tmp_path / "bad"
    good.write_text(make_shares(SECRET, "a1", "street")[0].text())
    for text in (b"\xff\xfe", b"hello"):
        bad.write_bytes(text)
        with pytest.raises(KeystoreError, match=f"{bad}"):
            read_shares([good, bad])
    with pytest.raises(KeystoreError, match="not there"):
        read_shares([good, tmp_path / "none"])


def test_no_share_shows_its_bytes() -> None:
    (one, *_) = make_shares(SECRET, "a1", "street")
    assert one.raw.hex()[:8] not in repr(one)
    assert repr(one.raw) not in repr(one)
