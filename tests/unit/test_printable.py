"""No file writes on a reader's terminal what only the verifier may say there."""

import json
from pathlib import Path

import pytest

from meterseal_proto.claims import Claim, Verdict
from meterseal_proto.printable import printable
from meterseal_proto.verify import main, render

FAKE = "x\r\x1b[2K\nPASS      anchor\x7f\x9b31m"


@pytest.mark.parametrize(
    "change", [{FAKE: 1}, {"caps": {FAKE: -1}}, {"caps": {"\ud800": "\ud800"}}]
)
def test_an_order_book_cannot_write_lines_of_its_own(
    change: dict[str, object], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    book: dict[str, object] = {"slot": 0, "tick": 1_000, "floor": 0, "ceiling": 9_000}
    book |= {"fee": 0, "asks": [], "bids": []}
    path = tmp_path / "book.json"
    path.write_text(json.dumps(book | change))
    assert main(["clearing", str(path)]) == 1
    said = capsys.readouterr().err
    assert said.endswith("\n")
    assert said[:-1].isprintable()


def test_a_claim_is_one_line_whatever_is_named_in_it() -> None:
    said = render((Claim("format", Verdict.FAIL, FAKE),), passed=False, as_json=False)
    assert said.isprintable()
    assert said.startswith("FAIL")


def test_what_can_be_read_is_left_as_it_is() -> None:
    plain = "".join(map(chr, range(32, 127)))
    assert printable(plain) == plain
    assert printable("é\n") == "\\xe9\\x0a"
