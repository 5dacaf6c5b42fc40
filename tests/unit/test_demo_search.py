"""The demo's search for usage finds it in every spelling, and nothing in noise."""

import random
import sqlite3
import struct
from collections.abc import Callable, Sequence
from contextlib import closing
from fractions import Fraction
from itertools import accumulate
from pathlib import Path

import cbor2
import pytest

from deploy.search import Home, Usage, search

MOVED = tuple((n * 7919) % 1900 + 20 for n in range(96))
SHOWN = tuple(accumulate(MOVED, initial=1_234_567))
HOME = Home("home-07", SHOWN, MOVED)
USAGE = Usage.of([HOME])
PART = MOVED[40:46]


def packed(form: str) -> Callable[[Sequence[int]], bytes]:
    return lambda run: b"".join(struct.pack(form, value) for value in run)


SPELLINGS: dict[str, Callable[[Sequence[int]], bytes]] = {
    "big shorts": packed(">H"),
    "little shorts": packed("<H"),
    "big words": packed(">I"),
    "little longs": packed("<Q"),
    "CSV": lambda run: ",".join(map(str, run)).encode(),
    "JSON": lambda run: str(list(run)).encode(),
    "lines": lambda run: "\n".join(map(str, run)).encode(),
    "CBOR": lambda run: cbor2.dumps(list(run)),
}


def noise(count: int) -> bytes:
    return random.Random(7).randbytes(count)


@pytest.mark.parametrize("name", SPELLINGS)
def test_a_run_of_intervals_is_found_in_every_spelling(
    name: str, tmp_path: Path
) -> None:
    file = tmp_path / "log"
    file.write_bytes(noise(4099) + SPELLINGS[name](PART) + noise(1000))
    (found,) = search(USAGE, [file]).findings
    assert found.endswith("home-07 used")


@pytest.mark.parametrize(
    "said",
    [
        b"register stands at %d Wh" % SHOWN[50],
        cbor2.dumps([1, SHOWN[50]]),
    ],
)
def test_a_registers_value_is_found_in_text_and_as_cbor(
    said: bytes, tmp_path: Path
) -> None:
    file = tmp_path / "log"
    file.write_bytes(noise(99) + said + b"x")
    assert search(USAGE, [file]).findings


def test_the_fraction_of_a_second_is_no_register(tmp_path: Path) -> None:
    file = tmp_path / "log"
    file.write_bytes(b'{"at": "2026-11-22T00:24:58.%dZ"}' % SHOWN[3])
    assert search(USAGE, [file]).findings == ()


def test_a_fraction_is_looked_at_in_kwh(tmp_path: Path) -> None:
    file, value = tmp_path / "statement.json", SHOWN[3]
    file.write_bytes(b'{"exact": "%d/50000000"}' % value)
    assert search(USAGE, [file]).findings == ()
    kwh = Fraction(value, 1_000)
    spelled = b"%d/%d" % (kwh.numerator, kwh.denominator)
    file.write_bytes(b'{"quantity": "%s"}' % spelled)
    (found,) = search(USAGE, [file]).findings
    assert found == f"statement.json: {value} Wh, which home-07 showed"


def test_whole_cents_are_no_register(tmp_path: Path) -> None:
    usage = Usage.of([Home("home-07", (1_230_000, 1_240_001), (10_001,))])
    path = books(tmp_path / "books", "amount_micro INTEGER", [(1_230_000,)])
    assert search(usage, [path]).findings == ()
    path = books(tmp_path / "told", "shown INTEGER", [(1_240_001,)])
    assert len(search(usage, [path]).findings) == 1


def test_six_digits_within_a_hash_are_no_register(tmp_path: Path) -> None:
    file, value = tmp_path / "anchors.jsonl", b"%d" % SHOWN[3]
    root = b"ab" + value + b"c" * (62 - len(value))
    file.write_bytes(b'{"root": "%s"}' % root)
    assert search(USAGE, [file]).findings == ()
    file.write_bytes(b'{"root": "%s", "shown": %s}' % (root, value))
    assert len(search(USAGE, [file]).findings) == 1


def test_megabytes_of_noise_hold_nothing(tmp_path: Path) -> None:
    file = tmp_path / "proofs"
    file.write_bytes(noise(4 << 20))
    report = search(USAGE, [file])
    assert (report.size, report.findings) == (4 << 20, ())


def books(path: Path, columns: str, rows: Sequence[Sequence[object]]) -> Path:
    marks = ", ".join("?" * len(rows[0]))
    with closing(sqlite3.connect(path)) as made:
        made.execute(f"CREATE TABLE told ({columns})")
        made.executemany(f"INSERT INTO told VALUES ({marks})", rows)  # noqa: S608
        made.commit()
    return path


def test_a_column_of_intervals_among_other_homes_is_found(tmp_path: Path) -> None:
    rows = [(at, n) for n in range(96) for at in (MOVED[n], n)]
    path = books(tmp_path / "books", "wh INTEGER, slot INTEGER", rows)
    assert search(USAGE, [path]).findings == (
        "books told.wh: most intervals of home-07",
    )


def test_a_column_of_register_values_is_found(tmp_path: Path) -> None:
    path = books(tmp_path / "books", "at INTEGER, shown INTEGER", [(1, SHOWN[3])])
    (found,) = search(USAGE, [path]).findings
    assert found == f"books told.shown: {SHOWN[3]} Wh, which home-07 showed"


@pytest.mark.parametrize("form", [">Q", "<Q"])
def test_a_registers_value_is_found_in_a_columns_bytes(
    form: str, tmp_path: Path
) -> None:
    blob = noise(77) + struct.pack(form, SHOWN[50]) + noise(7)
    path = books(tmp_path / "books", "b BLOB", [(blob,)])
    (found,) = search(USAGE, [path]).findings
    assert found == "books told.b: 8 bytes, a register's value of home-07"


def test_counters_and_blobs_of_other_things_hold_nothing(tmp_path: Path) -> None:
    rows = [(n, noise(64), f"note {n}", 1_790_000_000 + 900 * n) for n in range(5000)]
    path = books(tmp_path / "books", "id INTEGER, b BLOB, t TEXT, at INTEGER", rows)
    report = search(USAGE, [path])
    assert report.findings == ()
    assert report.cells == 4


def test_the_same_interval_over_and_over_says_nothing() -> None:
    idle = Home("idle", tuple(range(8)), (0,) * 8)
    assert Usage.of([idle]).patterns == {}
