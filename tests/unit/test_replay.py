"""An auction replayed from its file by the command anybody has."""

import hashlib
import json
from pathlib import Path

import pytest

from meterseal_proto.clearingfile import clearing_json, parse_book
from meterseal_proto.verify import main

VECTORS = Path(__file__).parents[2] / "proto" / "vectors" / "clearing.json"

BOOK = {
    "slot": 1_700_000_100, "tick": 1_000, "floor": 50_000, "ceiling": 400_000, "fee": 5_000,
    "asks": [
        {"id": "a1", "party": "roof", "wh": 900, "price": 100_000, "trust": 3_000},
        {"id": "a2", "party": "barn", "wh": 600, "price": 150_000, "trust": 9_500},
    ],
    "bids": [
        {"id": "b1", "party": "flat", "wh": 1_000, "price": 300_000, "trust": 3_000},
        {"id": "b2", "party": "shop", "wh": 1_000, "price": 120_000, "trust": 3_000},
    ],
}  # fmt: skip


HASHED = (
    b'["meterseal/clearing/1",[1700000100,1000,50000,400000,5000,0],[],'
    b'[["a1","roof",900,100000,3000,0],["a2","barn",600,150000,9500,1]],'
    b'[["b1","flat",1000,300000,3000,0],["b2","shop",1000,120000,3000,1]],'
    b'155000,1000,[["a1",900],["a2",100]],[["b1",1000]]]'
)
"""What the hash is over, spelled out."""


def test_a_book_is_cleared_and_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "book.json"
    file.write_text(json.dumps(BOOK))
    assert main(["clearing", str(file)]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["hash"] == hashlib.sha256(HASHED).hexdigest()
    assert answer["volume_wh"] == 1_000
    assert answer["price"] == 155_000
    assert answer["fills"] == [
        {"id": "a1", "wh": 900},
        {"id": "a2", "wh": 100},
        {"id": "b1", "wh": 1_000},
    ]


def test_forty_books_clear_as_somebody_else_cleared_them() -> None:
    cases = json.loads(VECTORS.read_text())
    traded = 0
    for case in cases:
        book = parse_book(json.dumps(case["book"]).encode())
        found = json.loads(clearing_json(book, book.cleared()))
        assert found == case["clearing"]
        traded += found["volume_wh"] > 0
    assert len(cases) == 40
    assert traded > 20


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{", "is no order book"),
        (json.dumps(BOOK | {"tick": 999}), "tick: a multiple of 1000"),
        (json.dumps(BOOK | {"fee": float("nan")}), "fee: an integer"),
    ],
)
def test_what_is_no_book_gets_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, sentence: str
) -> None:
    file = tmp_path / "book.json"
    file.write_text(text)
    assert main(["clearing", str(file)]) == 1
    told = capsys.readouterr()
    assert sentence in told.err
    assert told.out == ""
    assert main(["clearing", str(tmp_path / "none\n.json")]) == 1
    assert "cannot be read" in capsys.readouterr().err
