"""A stretch of time offline, and coming back: the child of `offline.py` and its aggregator."""

import asyncio
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from meterseal_aggregator.intake.port import BesideMessage
from meterseal_proto.spans import Span, seconds, union
from meterseal_proto.telemetry import decode_batch
from tests.support.agent_bench import a_bench

DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Stretch:
    """How long, how often, and how much of it is telemetry."""

    days: int
    homes: int
    every_s: int
    registers: int
    telemetry: bool
    patience_s: float = 300.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the agent cost while away, how it came back, and what the aggregator got."""

    away: dict[str, Any]
    back: dict[str, Any]
    accepted: int
    counted: int
    reasons: int
    twice: int
    samples_told: int
    covered_s: int


async def stretch(folder: Path, wish: Stretch) -> Outcome:
    """Enrol an agent, take its aggregator away for a while, and bring it back."""
    async with a_bench(folder, homes=wish.homes, speed=1.0) as bench:
        if wish.telemetry:
            text = bench.config.read_text()
            every = f"telemetry_s = {wish.every_s}\nlateness_limit_s"
            bench.config.write_text(text.replace("lateness_limit_s", every))
        status, text = await bench.agent("enrol", "--code", await bench.code())
        assert status == 0, text
        bench.accept_enrolment()
        begin = max(chain.head.end for chain in bench.oracle.chains.values())
        until = begin + wish.days * DAY_S
        bench.oracle.clock, bench.oracle.now = None, until + 60
        await bench.rig.stop()
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.support.offline", str(bench.config)),
            *(str(until), str(wish.every_s), str(wish.registers)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        assert child.stdout is not None
        assert child.stdin is not None
        try:
            async with asyncio.timeout(wish.patience_s):
                away = json.loads(await child.stdout.readline())
                await bench.rig.start(bench.oracle)  # type: ignore[arg-type]  # deliver
                child.stdin.write(b"\n")
                back = json.loads(await child.stdout.readline())
                await child.wait()
        finally:
            if child.returncode is None:
                child.kill()
                await child.wait()
        return _outcome(bench.oracle.accepted, bench, away, back)


def _outcome(accepted: int, bench: Any, away: Any, back: Any) -> Outcome:  # Any: JSON
    oracle, told = bench.oracle, bench.told
    return Outcome(
        away=away,
        back=back,
        accepted=accepted,
        counted=sum(oracle.counted.values()),
        reasons=len(oracle.reasons),
        twice=sum(len(payloads) > 1 for payloads in oracle.shown.values()),
        samples_told=_samples(told),
        covered_s=_covered(told),
    )


def _samples(told: list[BesideMessage]) -> int:
    seen = set()
    for one in told:
        if one.kind == "tel":
            batch = decode_batch(one.payload)
            seen |= {(batch.meter, row.at) for row in batch.rows}
    return len(seen)


def _covered(told: list[BesideMessage]) -> int:
    spans: dict[bytes, list[Span]] = {}
    for one in told:
        if one.kind == "tel":
            batch = decode_batch(one.payload)
            spans.setdefault(batch.meter, []).append(batch.span)
    return sum(seconds(union(found)) for found in spans.values())
