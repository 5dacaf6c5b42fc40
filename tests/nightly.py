"""`make nightly`: the random rigs again and again from fresh seeds, figures added up.

Runs up to MINUTES (10), each round with a seed of its own, and adds what held to
bench/results/reliability.json. A round that fails prints its seed and ends the night: that
seed, in METERSEAL_TEST_SEED, is the replay to begin the fix with.
"""

import json
import os
import secrets
import subprocess
import sys
import time
from pathlib import Path

from tests.support.seed import VARIABLE

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "bench" / "results" / "reliability.json"
RIGS = {
    "mutated payloads refused": ("tests/sweeps/test_intake_mutations.py", 200_000),
    "mutated MQTT packets contained": ("tests/unit/test_mqtt_codec.py", 200_000),
    "range proofs judged as the literal checker does": (
        "tests/sweeps/test_rangeproof_literal.py",
        1_003,
    ),
    "flipped range proofs refused": ("tests/sweeps/test_rangeproof_flips.py", 94_096),
    "orders of committed days with one outcome": (
        "tests/laws/test_committed_laws.py",
        76,
    ),
    "histories of the chain with each deed done once": (
        "tests/simulation/test_stacks_outbox.py",
        10_060,
    ),
    "order books cleared by every law": ("tests/laws/test_clearing_laws.py", 40_000),
    "rounds of fifty buyers at a killed market with twenty winners": (
        "tests/simulation/test_market_race.py",
        20,
    ),
    "trading days whose books agree": (
        "tests/simulation/test_trading_days.py",
        3_000,
    ),
    "histories of billing whose bills agree": (
        "tests/simulation/test_billing_years.py",
        2_000,
    ),
    "kills with exact equations": ("tests/e2e/test_kills.py", 120),
}


def main() -> int:
    """Run rounds until the time is over; returns 1 when one failed."""
    end = time.monotonic() + 60 * float(os.environ.get("MINUTES", "10"))
    while time.monotonic() < end:
        for name, (path, count) in RIGS.items():
            seed = str(secrets.randbelow(1 << 32))
            command = [sys.executable, "-m", "pytest", "-q", path]
            done = subprocess.run(
                command, cwd=ROOT, env=os.environ | {VARIABLE: seed}, check=False
            )
            if done.returncode != 0:
                print(f"failed: {VARIABLE}={seed} pytest {path}")
                return 1
            _add(name, count)
            if time.monotonic() > end:
                break
    print(RESULTS.read_text())
    return 0


def _add(name: str, count: int) -> None:
    """Add to the cumulative figures."""
    totals = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    totals[name] = totals.get(name, 0) + count
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps(totals, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    sys.exit(main())
