"""Orders a second cleared, beside a public matcher and beside sorting the same orders.

    python -m bench market                     # or: make bench ROOM=market

Books are random: as many asks as bids, prices uniform, so about half of them cross. The
bare limit is sorting the prices of both sides. pymarket clears a book of the same prices and
quantities by MUDA (its strategy-proof call auction) in an environment of its own, as its
documentation runs it. CPU time of one core, medians.
"""

import json
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Final

from bench.peers import NoPeer, environment
from meterseal_proto.clearing import Order, Terms
from meterseal_proto.clearingfile import OrderBook, clearing_hash

RESULTS: Final = Path(__file__).parent / "results" / "market.json"
SIZES: Final = (10_000, 100_000)
GOAL: Final = 300_000
"""Orders a second that are asked for at 100,000 orders."""
RUNS: Final = 7
PEER: Final = "pymarket"
PEER_CLEARS: Final = """
import random, sys, time
import numpy, pymarket
size, draw, market = int(sys.argv[1]), random.Random(1), pymarket.Market()
for n in range(size // 2):
    for user, buys in ((n, True), (size // 2 + n, False)):
        market.accept_bid(draw.randint(1, 2_500), draw.randint(5_000, 40_000), user, buys)
began = time.process_time()
market.run("muda", r=numpy.random.RandomState(1))
print(size / (time.process_time() - began))
"""
Row = dict[str, str | float]


def book_of(size: int) -> OrderBook:
    """Return a book of `size` orders, the same in every run."""
    draw = random.Random(1)  # noqa: S311 - a book to time, no secret

    def order(side: str, n: int) -> Order:
        wh, price = draw.randint(1, 2_500), draw.randint(5_000, 40_000) * 1_000
        return Order(f"{side}{n}", f"{side}-{n}", wh, price, draw.randint(0, 10_000), n)

    rows = [(order("bid", n), order("ask", n)) for n in range(size // 2)]
    terms = Terms(0, 1_000, 5_000_000, 40_000_000, 100_000)
    return OrderBook(terms, tuple(r[1] for r in rows), tuple(r[0] for r in rows))


def rate(size: int, work: Callable[[], object]) -> float:
    """Return orders a second of CPU time, the median of some runs."""
    found = []
    for _ in range(RUNS):
        began = time.process_time()
        work()
        found.append(size / (time.process_time() - began))
    return median(found)


def ours(size: int) -> list[Row]:
    """Measure sorting, clearing, and clearing with the hash that anybody replays."""
    book = book_of(size)
    prices = [[order.price for order in side] for side in (book.asks, book.bids)]
    bare = f"bare limit: prices sorted, {size:,}"
    limit = rate(size, lambda: [sorted(side) for side in prices])
    return [
        row(bare, limit, bare, limit),
        row(f"cleared, {size:,} orders", rate(size, book.cleared), bare, limit),
        row(
            f"cleared and hashed, {size:,} orders",
            rate(size, lambda: clearing_hash(book, book.cleared())),
            bare,
            limit,
        ),
    ]


def peer(size: int, beside: float) -> list[Row]:
    """Measure the public matcher; no row where it cannot be had."""
    try:
        python = environment(PEER)
    except NoPeer as why:
        sys.stdout.write(f"{why}\n")
        return []
    command = [str(python), "-c", PEER_CLEARS, str(size)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    name = f"pymarket 0.7.6 (muda), {size:,} orders"
    return [row(name, float(done.stdout), f"cleared, {size:,} orders", beside)]


def row(name: str, value: float, against: str, limit: float) -> Row:
    """Return a row of the table."""
    return {
        "name": name,
        "value": round(value),
        "unit": "orders/s",
        "against": against,
        "ratio": round(value / limit, 4),
    }


def main() -> None:
    """Measure, print the table and write it to bench/results/market.json."""
    small, large = (ours(size) for size in SIZES)
    rows = [*small, *peer(SIZES[0], float(small[1]["value"])), *large]
    for one in rows:
        sys.stdout.write(
            f"{one['name']:46} {one['value']:>11,} {one['unit']:9} {one['ratio']:>7} of {one['against']}\n"
        )
    RESULTS.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
