"""Our bus and ThingsBoard's gateway on the same TCP gateway bus, in the same run.

Twenty units of thirteen values, each to be read once a second, first all alive and then
a quarter of them silent. Both are counted by the bus: what it was asked and answered whole.
ThingsBoard's runs from the configuration it ships, and once more with the shortest timeout
that it takes in whole seconds; it tells a broker of what it read, which ours here does not:
CPU and memory of the whole agent are the rows of `edge_agent`.
"""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Final

from bench.gateway_bus import Gateway, Units, gateway, longest_gap_s, lost, rate
from bench.peers import NoPeer, Running
from bench.peers.thingsboard import NAME, TIMEOUT_S, Polling, polling
from meterseal_agent.meters.profile import load

UNITS: Final = 20
DEAD: Final = frozenset({3, 7, 11, 15, 19})
ADDRESSES: Final = tuple(point.address for point in load("eastron-sdm630").points)
OURS_S: Final = 0.4
"""What an installer gives a unit behind a TCP gateway that is read every second."""
SHORT_S: Final = 1
SETTLE_S: Final = 15.0
"""Both have found the living by then; ThingsBoard's takes ten seconds to start."""
Row = dict[str, str | float]
Poller = Callable[[int], AbstractContextManager[Running]]


@dataclass(frozen=True, slots=True)
class Found:
    """What a poller did: samples a second, its loss of 1, gap in s, cores, 10^6 bytes."""

    rate: float
    lost: float
    gap_s: float
    cores: float
    rss_mb: float


@contextmanager
def ours(port: int) -> Iterator[Running]:
    """Run our bus until the block ends."""
    words = [str(port), str(UNITS), str(OURS_S)]
    child = subprocess.Popen([sys.executable, "-m", "bench.edge_poller", *words])
    try:
        yield Running(child.pid)
    finally:
        child.kill()
        child.wait()


def theirs(timeout_s: int = TIMEOUT_S) -> Poller:
    """Return what runs ThingsBoard's gateway with this timeout."""

    def run(port: int) -> AbstractContextManager[Running]:
        units = range(1, UNITS + 1)
        return polling(Polling(port, units, ADDRESSES, timeout_s=timeout_s))

    return run


def watched(poller: Poller, dead: frozenset[int], span_s: float) -> Found:
    """Let a poller settle, then count for `span_s`. Raises NoPeer."""
    units = Units(UNITS, dead, frozenset(ADDRESSES))
    with gateway(units) as bus, poller(bus.port) as running:
        time.sleep(SETTLE_S)
        return _counted(bus, running, units, span_s)


def _counted(bus: Gateway, running: Running, units: Units, span_s: float) -> Found:
    began, cpu_s = time.monotonic(), running.cpu_s
    time.sleep(span_s)
    span = began, time.monotonic()
    cores = (running.cpu_s - cpu_s) / (span[1] - began)
    samples = bus.samples()
    return Found(
        rate(samples, units, span),
        lost(samples, units, span),
        longest_gap_s(samples, units, span),
        cores,
        running.rss_mb,
    )


def measure(span_s: float) -> list[Row]:
    """Watch all of them; a peer that cannot be installed is a row that says so."""
    rows = [
        *_rows("ours", "all alive", watched(ours, frozenset(), span_s)),
        *_rows("ours", f"{len(DEAD)} of {UNITS} dead", watched(ours, DEAD, span_s)),
    ]
    try:
        rows += _theirs(span_s)
    except NoPeer as missing:
        rows.append(_row(f"{NAME}: {missing}", (0.0, "not run"), ("installed", 1.0)))
    return rows


def _theirs(span_s: float) -> list[Row]:
    shipped, short = f"timeout {TIMEOUT_S} s as shipped", f"timeout {SHORT_S} s"
    dead = f"{len(DEAD)} of {UNITS} dead"
    return [
        *_rows(NAME, f"all alive, {shipped}", watched(theirs(), frozenset(), span_s)),
        *_rows(NAME, f"{dead}, {shipped}", watched(theirs(), DEAD, span_s)),
        *_rows(NAME, f"{dead}, {short}", watched(theirs(SHORT_S), DEAD, span_s)),
    ]


def _rows(who: str, what: str, found: Found) -> list[Row]:
    living = UNITS - len(DEAD) * ("dead" in what)
    name = f"one TCP gateway, 1/s, {what}: {who}"
    return [
        _row(name, (found.rate, "samples/s"), ("the living, once a second", living)),
        _row(f"{name}, lost", (found.lost, "of 1"), ("goal, below 0.05", 0.05)),
        _row(f"{name}, longest gap", (found.gap_s, "periods"), ("goal, at most 1.5", 1.5)),
        _row(f"{name}, CPU", (found.cores, "cores"), ("a core", 1.0)),
        _row(f"{name}, memory", (found.rss_mb, "MB"), ("the agent's goal, below 60", 60.0)),
    ]  # fmt: skip


def _row(name: str, found: tuple[float, str], against: tuple[str, float]) -> Row:
    value, unit = found
    what, limit = against
    return {
        "name": name,
        "value": round(value, 3),
        "unit": unit,
        "against": what,
        "ratio": round(value / limit, 3),
    }
