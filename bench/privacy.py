"""Range proofs of committed meter-days: CPU time to make and check a value, and bytes.

    python -m bench privacy                    # or: make bench ROOM=privacy

A meter-day is 48 half-hours or 96 quarter-hours of a home (16 bits) or a factory (32).
The bare limit beside it, in the same run, is the usual practice: one proof of 32 bits a
reading, checked by itself. Times are CPU time of one core, medians; a batch is 100
meter-days: 20 homes' proofs, each under five weights, which costs what 100 homes' do.
Bills and totals are those of `bench.bills`, held here against the time the usual practice
takes to check as many readings one by one.
The last rows show why usage never multiplies in public: there a small number is quicker.
"""

import hashlib
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Final

from bench import bills
from meterseal_proto.commitment import bases, commit
from meterseal_proto.curve import ORDER
from meterseal_proto.group import group
from meterseal_proto.rangechecker import Claim, holds
from meterseal_proto.rangeproof import Statement, proof_bytes
from meterseal_proto.rangeprover import Opening, prove
from meterseal_proto.secret import Secret

RESULTS: Final = Path(__file__).parent / "results" / "privacy.json"
BARE: Final = "bare limit: one proof of 32 bits a reading"
SHAPES: Final = ((48, 16), (96, 16), (48, 32), (96, 32))
"""Values of a meter-day, and bits of each."""
HOMES: Final = 20
DAYS: Final = 100
RUNS: Final = 5
TIMES: Final = 300
USAGE: Final = 250
LARGE: Final = pow(3, 200, ORDER)

Row = dict[str, str | float]


def day(count: int, bits: int, home: int) -> tuple[Statement, list[Opening]]:
    """Return a home's commitments of a day, and what they hide."""
    openings = []
    for slot in range(count):
        seed = hashlib.sha512(b"%d %d %d" % (bits, home, slot)).digest()
        value = int.from_bytes(seed[:4]) >> 32 - bits
        openings.append(Opening(Secret(value), Secret.of_bytes(seed)))
    made = tuple(commit(one.value, one.blinding) for one in openings)
    context = hashlib.sha256(b"day of %d" % home).digest()
    return Statement(context, bits, made), openings


def spent(work: Callable[[], object]) -> float:
    """Return the CPU seconds of one run."""
    began = time.process_time()
    work()
    return time.process_time() - began


def shape(count: int, bits: int) -> dict[str, float]:
    """Return what one shape costs: us a value proved, values/s checked, bytes a value."""
    claims, proving = [], []
    for home in range(HOMES):
        statement, openings = day(count, bits, home)
        began = time.process_time()
        claims.append(Claim(statement, prove(statement, openings)))
        proving.append(time.process_time() - began)
    batch = claims * (DAYS // HOMES)
    if not holds(batch):
        raise AssertionError("a proof of this bench does not hold")
    alone = median(spent(lambda one=one: holds([one])) for one in claims)  # type: ignore[misc]
    together = median(spent(lambda: holds(batch)) for _ in range(RUNS))
    return {
        "prove a meter-day": 1e3 * median(proving),
        "prove": 1e6 * median(proving) / count,
        "check alone": count / alone,
        "check": count * DAYS / together,
        "size": proof_bytes(bits, count) / count,
    }


def measure() -> list[Row]:
    """Measure the bare limit and every shape; returns the rows."""
    # Proving once fills the caches of generators and bases, which a service keeps.
    for count, bits in SHAPES:
        prove(*day(count, bits, 0))
    bare = shape(1, 32)
    rows = _rows(BARE, bare, bare, batched=False)
    for count, bits in SHAPES:
        rows += _rows(f"{count} x {bits} bit", shape(count, bits), bare)
    return rows + bills_and_totals(1e6 / bare["check alone"]) + leaks()


def bills_and_totals(bare_us: float) -> list[Row]:
    """Return what bills and totals cost, against checking each reading in `bare_us`."""
    rows = []
    for count in bills.MONTHS:
        checked = bills.bill_rows(count)[-1]
        limit_ms = count * bare_us / 1e3
        rows.append(_row(str(checked["name"]), float(checked["value"]), "ms", limit_ms))
    total = bills.total_row()
    return [*rows, _row(str(total["name"]), float(total["value"]), "us/meter", bare_us)]


def leaks() -> list[Row]:
    """Return the time to multiply by a small number, against a large one, by each route."""
    of, point = group(), bases().value
    routes: dict[str, Callable[[int], object]] = {
        "public": lambda number: of.times(point, number),
        "secret": lambda number: of.times_secret(point, Secret(number)),
        "secret, of the base point": lambda number: of.base(Secret(number)),
    }
    rows = []
    for name, route in routes.items():
        # Taken in turn, so that whatever else the box does strikes both alike.
        pairs = [(_repeated(route, USAGE), _repeated(route, LARGE)) for _ in range(9)]
        quick, slow = (1e6 * median(row) / TIMES for row in zip(*pairs, strict=True))
        row = _row(f"multiplied by {USAGE}, {name}", quick, "us", slow)
        rows.append(row | {"against": "multiplied by a number of 256 bits"})
    return rows


def _repeated(route: Callable[[int], object], number: int) -> float:
    return spent(lambda: [route(number) for _ in range(TIMES)])


def _rows(
    name: str, found: dict[str, float], bare: dict[str, float], *, batched: bool = True
) -> list[Row]:
    rows = [
        _row(f"{name}: proved", found["prove"], "us/value", bare["prove"]),
        _row(f"{name}: size", found["size"], "B/value", bare["size"]),
        _row(f"{name}: checked alone", found["check alone"], "values/s", bare["check alone"]),
        _row(f"{name}: checked alone", 1e6 / found["check alone"], "us/value", 1e6 / bare["check alone"]),
    ]  # fmt: skip
    if batched:
        rows += [
            _row(f"{name}: checked, batches of {DAYS}", found["check"], "values/s", bare["check alone"]),
            _row(f"{name}: checked, batches of {DAYS}", 1e6 / found["check"], "us/value", 1e6 / bare["check alone"]),
            _row(f"{name}: a meter-day proved", found["prove a meter-day"], "ms", bare["prove a meter-day"]),
        ]  # fmt: skip
    return rows


def _row(name: str, value: float, unit: str, limit: float) -> Row:
    return {
        "name": name,
        "value": round(value, 1),
        "unit": unit,
        "against": BARE,
        "ratio": round(value / limit, 4),
    }


def main() -> None:
    """Measure, print the table and write it to bench/results/privacy.json."""
    rows = measure()
    for row in rows:
        sys.stdout.write(
            f"{row['name']:58} {row['value']:>10,} {row['unit']:9} {row['ratio']:>8}\n"
        )
    RESULTS.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
