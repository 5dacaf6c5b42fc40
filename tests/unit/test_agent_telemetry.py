"""Telemetry on the agent: what may be told, how it is gathered, what the ring keeps."""

from itertools import pairwise
from pathlib import Path

import pytest

from meterseal_agent.meters.registers import POWER, Sample
from meterseal_agent.telemetry.collect import BATCH_S, Collector
from meterseal_agent.telemetry.ring import MAX_BYTES, Ring
from meterseal_agent.telemetry.tellable import Mode, tellable
from meterseal_proto.spans import Span
from meterseal_proto.telemetry import (
    MAX_COLUMNS,
    Batch,
    Row,
    decode_batch,
    encode_batch,
)
from meterseal_proto.units import EXPORT, IMPORT, MeterId, RegisterId, parse_obis

METER = MeterId(bytes(15) + b"\x01")
OTHER = MeterId(bytes(15) + b"\x02")
VOLTAGE = parse_obis("1-0:32.7.0")
BEGAN = 1_790_000_100


def sample(at: int = BEGAN, power: int | None = 700) -> Sample:
    return Sample(at, {IMPORT: 10**6, VOLTAGE: 230_000}, power, {})


def test_an_open_meters_values_may_be_told_its_power_among_them() -> None:
    modes = {IMPORT: Mode.OPEN, EXPORT: Mode.OPEN}
    told = tellable(sample(), modes)
    assert dict(told) == {IMPORT: 10**6, VOLTAGE: 230_000, POWER: 700}
    assert POWER not in tellable(sample(power=None), modes)


@pytest.mark.parametrize("hidden", [IMPORT, EXPORT])
def test_one_committed_register_silences_its_whole_meter(hidden: RegisterId) -> None:
    modes = {IMPORT: Mode.OPEN, EXPORT: Mode.OPEN} | {hidden: Mode.COMMITTED}
    assert tellable(sample(), modes) == {}


def test_a_meter_of_which_nothing_is_sealed_tells_nothing() -> None:
    assert tellable(sample(), {}) == {}


def test_batches_follow_each_other_without_a_gap_and_keep_every_sample() -> None:
    collector = Collector(METER, 10)
    ended: list[Batch] = []
    for i in range(60):
        ended += collector.take(BEGAN + 10 * i, {IMPORT: i}, clock=2)
    ended += collector.close()
    assert [row.values for b in ended for row in b.rows] == [(i,) for i in range(60)]
    for one, after in pairwise(ended):
        assert one.span.end == after.span.begin
    assert max(b.span.end - b.span.begin for b in ended) <= BATCH_S + 1
    assert [decode_batch(encode_batch(b)) for b in ended] == ended


def test_a_meter_read_every_second_is_thinned_to_its_raster() -> None:
    collector = Collector(METER, 10)
    ended = []
    for i in range(120):
        ended += collector.take(BEGAN + i, {IMPORT: i}, clock=2)
    ended += collector.close()
    at = [row.at for batch in ended for row in batch.rows]
    assert at == [BEGAN + 10 * i for i in range(12)]


def test_an_hour_of_silence_is_told_as_one_without_samples() -> None:
    collector = Collector(METER, 10)
    collector.take(BEGAN, {IMPORT: 1}, clock=2)
    (first,) = collector.flush(BEGAN + BATCH_S)
    assert collector.flush(BEGAN + 2 * BATCH_S) == []
    collector.take(BEGAN + 3600, {IMPORT: 2}, clock=2)
    (second,) = collector.close()
    assert second.span == Span(first.span.end, BEGAN + 3601)


def test_a_batch_ends_when_the_clock_is_doubted_or_was_set_back() -> None:
    collector = Collector(METER, 10)
    assert collector.take(BEGAN, {IMPORT: 1}, clock=2) == []
    (first,) = collector.take(BEGAN + 10, {IMPORT: 2}, clock=1)
    assert (first.clock, len(first.rows)) == (2, 1)
    (second,) = collector.take(BEGAN - 500, {IMPORT: 3}, clock=1)
    assert (second.clock, second.rows[0].at) == (1, BEGAN + 10)
    (third,) = collector.close()
    assert third.span == Span(BEGAN - 500, BEGAN - 499)


def test_a_register_that_comes_late_gets_a_column_and_one_that_fails_is_null() -> None:
    collector = Collector(METER, 10)
    collector.take(BEGAN, {IMPORT: 1, VOLTAGE: 230_000}, clock=2)
    assert collector.take(BEGAN + 10, {IMPORT: 2}, clock=2) == []
    (first,) = collector.take(BEGAN + 20, {IMPORT: 3, EXPORT: 4}, clock=2)
    assert [row.values for row in first.rows] == [(1, 230_000), (2, None)]


def test_a_meter_with_more_registers_than_a_batch_has_columns_is_cut() -> None:
    collector = Collector(METER, 10)
    values = {RegisterId(n): n for n in range(MAX_COLUMNS + 5)}
    assert collector.take(BEGAN, values, clock=2) == []
    assert collector.take(BEGAN + 10, values, clock=2) == []
    (batch,) = collector.close()
    assert (len(batch.registers), len(batch.rows)) == (MAX_COLUMNS, 2)


def batch(n: int, meter: MeterId = METER, samples: int = 6) -> Batch:
    begin = BEGAN + n * BATCH_S
    rows = tuple(Row(begin + 10 * i, (230_000 + i, 10**7)) for i in range(samples))
    span = Span(begin, begin + BATCH_S)
    return Batch(meter, 2, span, (VOLTAGE, IMPORT), rows)


def ring(folder: Path, **limits: int) -> Ring:
    return Ring(folder / "telemetry.sqlite", **limits)


def test_the_newest_goes_first_and_then_the_oldest(tmp_path: Path) -> None:
    box = ring(tmp_path)
    box.add([batch(n) for n in range(10)])
    now = batch(9).span.end + 5
    order = []
    while (held := box.next(now)) is not None:
        order.append(decode_batch(held.payload).span.begin)
        box.take(held)
    live = [batch(n).span.begin for n in (9, 8, 7)]
    assert order == live + [batch(n).span.begin for n in range(7)]
    assert box.state().waiting == 0
    box.close()


def test_what_waits_survives_a_restart_and_the_gap_map_says_so(tmp_path: Path) -> None:
    box = ring(tmp_path)
    box.add([batch(n) for n in range(4)])
    first = box.next(BEGAN + 10**6)
    assert first is not None
    box.take(first)
    box.close()
    box = ring(tmp_path)
    assert box.missing(METER) == (Span(BEGAN + BATCH_S, BEGAN + 4 * BATCH_S),)
    assert box.held(METER) == (Span(BEGAN, BEGAN + 4 * BATCH_S),)
    assert (box.state().batches, box.state().waiting) == (3, 18)
    box.close()


def test_a_full_ring_drops_the_oldest_and_counts_what_nobody_had(
    tmp_path: Path,
) -> None:
    most = 1 << 20
    box = ring(tmp_path, max_bytes=most)
    kept = 0
    for n in range(0, 6_000, 100):
        box.add([batch(n + i) for i in range(100)])
        kept += 100
    state = box.state()
    assert state.dropped > 0
    assert state.dropped % 6 == 0
    assert state.batches == kept - state.dropped // 6
    assert state.oldest == BEGAN + (kept - state.batches) * BATCH_S
    assert state.bytes <= most
    assert (tmp_path / "telemetry.sqlite").stat().st_size <= most
    while (held := box.next(BEGAN + 10**9)) is not None:
        assert box.take(held)
    assert box.state().waiting == 0
    for n in range(6_000, 7_000, 100):
        box.add([batch(n + i) for i in range(100)])
    after = box.state()
    assert after.bytes > most - (1 << 19)
    assert after.dropped == state.dropped, "what was taken is no loss"
    assert after.batches == 1_000
    box.close()


def test_what_is_asked_for_goes_again_and_what_is_gone_is_told_as_nothing(
    tmp_path: Path,
) -> None:
    box = ring(tmp_path)
    box.add([batch(5), batch(6), batch(8), batch(5, OTHER)])
    while (held := box.next(BEGAN + 10**6)) is not None:
        box.take(held)
    asked = Span(BEGAN + 4 * BATCH_S, BEGAN + 20 * BATCH_S)
    assert box.again(METER, asked, BEGAN + 10**6) == 5
    told = []
    while (held := box.next(BEGAN + 10**6)) is not None:
        told.append(decode_batch(held.payload))
        box.take(held)
    assert {b.meter for b in told} == {METER}
    assert sorted((b.span.begin - BEGAN) // BATCH_S for b in told) == [4, 5, 6, 7, 8]
    assert [len(b.rows) for b in sorted(told, key=lambda b: b.span)] == [0, 6, 6, 0, 6]
    assert box.again(METER, Span(BEGAN + 10**6, BEGAN + 10**6 + 9), BEGAN + 10**6) == 0
    box.close()


def test_a_damaged_ring_is_laid_aside_and_an_empty_one_begun(tmp_path: Path) -> None:
    (tmp_path / "telemetry.sqlite").write_bytes(b"no database at all" * 999)
    box = ring(tmp_path)
    assert box.damaged
    box.add([batch(0)])
    assert box.state().batches == 1
    box.close()
    assert (tmp_path / "telemetry.damaged").read_bytes().startswith(b"no database")


def test_a_week_of_twenty_meters_fits_the_ring(tmp_path: Path) -> None:
    registers = tuple(RegisterId(0x0100_0107_00FF + (n << 16)) for n in range(13))

    def minute(n: int) -> Batch:
        begin = BEGAN + n * BATCH_S
        values = [tuple(230_000 + i * j + n for j in range(13)) for i in range(6)]
        rows = tuple(Row(begin + 10 * i, told) for i, told in enumerate(values))
        return Batch(METER, 2, Span(begin, begin + BATCH_S), registers, rows)

    box = ring(tmp_path)
    box.add([minute(n) for n in range(10_000)])
    each = box.state().bytes / 10_000
    assert 20 * 7 * 86_400 / BATCH_S * each < MAX_BYTES
    box.close()
