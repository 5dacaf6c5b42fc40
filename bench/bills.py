"""What a private bill and a community's total cost to check, beside parsing the points.

    python -m bench bills                      # or: make bench ROOM=bills

A bill is over a month of half-hours (1,440) or of quarter-hours (2,880) at two prices; a
total is of 300 meters, unmasked with two trustees' answers. CPU time of one core, medians.
The bare limit is what nobody can leave out: reading each commitment as a point.
"""

import hashlib
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Final

from meterseal_proto.bill import BillStatement, amount_of, check_bill, sign_bill
from meterseal_proto.commitment import Slot, commit
from meterseal_proto.group import group
from meterseal_proto.keys import RootSecret
from meterseal_proto.secret import Secret
from meterseal_proto.totals import (
    SEEDS,
    mask_of,
    masked,
    place_of,
    proves,
    summed,
    unmasked,
)
from meterseal_proto.units import IMPORT, MeterId

RESULTS: Final = Path(__file__).parent / "results" / "bills.json"
MONTHS: Final = (1_440, 2_880)
METERS: Final = 300
RUNS: Final = 7
BARE: Final = "bare limit: commitments read as points"

Row = dict[str, str | float]


def spent_ms(work: Callable[[], object]) -> float:
    """Return the median CPU milliseconds of some runs."""
    found = []
    for _ in range(RUNS):
        began = time.process_time()
        work()
        found.append((time.process_time() - began) * 1e3)
    return median(found)


def drawn(label: str, number: int) -> Secret:
    """Return a scalar that is the same in every run."""
    return Secret.of_bytes(hashlib.sha512(f"{label} {number}".encode()).digest())


def bill_rows(count: int) -> list[Row]:
    """Measure checking a bill over `count` intervals."""
    key = RootSecret(bytes(range(32))).seal_key()
    values = [Secret(n * 37 % 4_000) for n in range(count)]
    blindings = [drawn("z", n) for n in range(count)]
    made = [commit(v, z) for v, z in zip(values, blindings, strict=True)]
    prices = [300_000 if n % 96 >= 28 else 100_000 for n in range(count)]
    statement = BillStatement(
        bytes(32), MeterId(bytes(16)), IMPORT, 0, 900 * count, bytes(32),
        amount_of(prices, values), 0, (bytes(32),) * 30, bytes(32),
    )  # fmt: skip
    bill = sign_bill(statement, prices, blindings, key)
    checked = spent_ms(lambda: check_bill(bill, prices, made, key.public))
    read = spent_ms(lambda: [group().decode(one) for one in made])
    return [
        _row(f"{BARE}, {count:,}", read, "ms", BARE, read),
        _row(f"a bill of {count:,} intervals checked", checked, "ms", BARE, read),
    ]


def total_row() -> Row:
    """Measure unmasking and checking a total."""
    reports, made, places, seeds = [], [], [], []
    for number in range(METERS):
        mine = [hashlib.sha256(b"%d %d" % (number, k)).digest() for k in range(SEEDS)]
        slot = Slot(bytes(32), MeterId(number.to_bytes(16)), IMPORT, 0, 86_400)
        value, blinding = Secret(number * 91 % 20_000), drawn("total", number)
        made.append(commit(value, blinding))
        places.append(place_of(slot, made[-1]))
        reports.append(masked(value, blinding, mine, places[-1]))
        seeds.append(mine)

    def check() -> None:
        answers = {
            k: summed(mask_of(s[k], p) for s, p in zip(seeds, places, strict=True))
            for k in range(SEEDS)
        }
        assert proves(unmasked(reports, answers), made)

    each_us = spent_ms(check) * 1e3 / METERS
    read_us = spent_ms(lambda: [group().decode(one) for one in made]) * 1e3 / METERS
    name = "a total answered, unmasked and checked"
    return _row(name, each_us, "us/meter", BARE, read_us)


def _row(name: str, value: float, unit: str, against: str, limit: float) -> Row:
    return {
        "name": name,
        "value": round(value, 1),
        "unit": unit,
        "against": against,
        "ratio": round(value / limit, 3),
    }


def measure() -> list[Row]:
    """Measure every row."""
    return [row for count in MONTHS for row in bill_rows(count)] + [total_row()]


def main() -> None:
    """Measure, print the table and write it to bench/results/bills.json."""
    rows = measure()
    for row in rows:
        sys.stdout.write(
            f"{row['name']:46} {row['value']:>9,} {row['unit']:9} {row['ratio']:>6} of {row['against']}\n"
        )
    RESULTS.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
