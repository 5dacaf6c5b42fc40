"""Weeks offline, in minutes: memory stays small, and everything is there afterwards."""

from pathlib import Path

from tests.support.offline_bench import DAY_S, Stretch, stretch


async def test_ninety_days_offline_are_drained_with_nothing_lost(
    tmp_path: Path,
) -> None:
    wish = Stretch(days=90, homes=1, every_s=900, registers=2, telemetry=False)
    found = await stretch(tmp_path, wish)
    records = 2 * 90 * 96
    assert found.away["records"] == records
    assert found.accepted == records
    assert found.counted == found.back["grown"] > 0
    assert (found.reasons, found.twice) == (0, 0)
    assert 90 * DAY_S / found.back["seconds"] >= 100
    assert found.back["peak_kb"] < 60_000


async def test_telemetry_of_a_week_offline_costs_little_memory_and_arrives_whole(
    tmp_path: Path,
) -> None:
    wish = Stretch(days=7, homes=2, every_s=10, registers=13, telemetry=True)
    found = await stretch(tmp_path, wish)
    samples = 2 * 7 * DAY_S // 10
    assert found.away["samples"] == samples
    assert found.away["telemetry"] == samples
    assert (found.away["dropped"], found.away["lost"]) == (0, 0)
    assert found.away["peak_kb"] < 80_000, found.away
    assert found.samples_told == samples
    assert found.covered_s >= 2 * 7 * DAY_S - 2 * 10
    assert found.accepted == 2 * 2 * 7 * 96
    assert found.counted == found.back["grown"]
    assert 7 * DAY_S / found.back["seconds"] >= 100
    assert found.back["peak_kb"] < 80_000
