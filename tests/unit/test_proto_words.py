"""Small words of the protocol: units, grid, clock, topics, reasons, heads."""

import pytest

from meterseal_proto.clock import ClockRate
from meterseal_proto.errors import Reason
from meterseal_proto.intervals import STEPS, Interval, on_grid, slot_start
from meterseal_proto.loopback import is_loopback
from meterseal_proto.seal import Head, Header
from meterseal_proto.topics import down_topic, parse_topic, up_filter, up_topic
from meterseal_proto.units import (
    EXPORT,
    IMPORT,
    WATER,
    MeterId,
    obis_text,
    parse_obis,
    plausible_wh,
)


@pytest.mark.parametrize(
    ("register", "text"),
    [(IMPORT, "1-0:1.8.0"), (EXPORT, "1-0:2.8.0"), (WATER, "8-0:1.0.0")],
)
def test_a_register_is_its_obis_code(register: int, text: str) -> None:
    assert parse_obis(text) == register
    assert parse_obis(text + "*255") == register
    assert obis_text(parse_obis(text)) == text


def test_a_tariff_group_is_kept_in_the_code() -> None:
    assert obis_text(parse_obis("1-0:1.8.1*3")) == "1-0:1.8.1*3"


@pytest.mark.parametrize(
    "text", ["", "1.8.0", "1-0:1.8", "256-0:1.8.0", "1-0:1.8.0*", "a-0:1.8.0"]
)
def test_what_is_no_obis_code_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="OBIS"):
        parse_obis(text)


def test_every_step_divides_an_hour_and_slots_start_on_the_grid() -> None:
    for step in STEPS:
        assert 3600 % step == 0
        start = slot_start(1_790_000_123, step)
        assert on_grid(start, step)
        assert start <= 1_790_000_123 < Interval(start, step).end


def test_without_a_rehearsal_time_is_real() -> None:
    assert ClockRate.parse(None).at(123.5) == 123.5
    assert ClockRate.parse("").real_delay(9) == 9


def test_a_rehearsal_runs_from_its_epoch_at_its_speed() -> None:
    rate = ClockRate.parse("1000,60")
    assert rate.at(1000) == 1000
    assert rate.at(1010) == 1600
    assert rate.real_delay(60) == 1
    assert rate.real_delay(-5) == 0


@pytest.mark.parametrize("text", ["1", "1,2,3", "a,b", "1,0", "1,-3", "1,nan", "1,1e9"])
def test_a_clock_that_makes_no_sense_is_refused_by_name(text: str) -> None:
    with pytest.raises(ValueError, match="METERSEAL_CLOCK"):
        ClockRate.parse(text)


def test_topics_are_fenced_by_agent() -> None:
    assert up_topic("street", "pi-1") == "meterseal/1/street/pi-1/up"
    assert down_topic("street", "pi-1") == "meterseal/1/street/pi-1/down"
    assert up_filter("street") == "meterseal/1/street/+/up"
    parsed = parse_topic("meterseal/1/street/pi-1/up")
    assert parsed is not None
    assert (parsed.network, parsed.agent, parsed.direction) == ("street", "pi-1", "up")


@pytest.mark.parametrize("name", ["", "a.b", "a/b", "+", "#", "ä", "x" * 65])
def test_names_that_a_broker_would_read_differently_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="names in topics"):
        up_topic("street", name)
    assert parse_topic(f"meterseal/1/street/{name}/up") is None


@pytest.mark.parametrize(
    "topic",
    [
        "",
        "x",
        "meterseal/2/street/a/up",
        "meterseal/1/street/a/side",
        "meterseal/1/street/a",
    ],
)
def test_other_topics_are_not_ours(topic: str) -> None:
    assert parse_topic(topic) is None


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.9.9.9", "::1"])
def test_this_machine_is_known_by_its_loopback_names(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host",
    ["", "localhost.example", "127.0.0.1.example", "::", "10.0.0.1", "[::1]"],
)
def test_every_other_name_is_another_machine(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize(
    ("capacity_w", "length_s", "most"),
    [
        (10_000, 900, 2751),
        (10_000, 3600, 11_001),
        (1, 300, 1),
        (4000, 900, 1101),
        (4001, 900, 1101),
        (10**9, 400 * 86_400, 10_560_000_000_001),
    ],
)
def test_a_register_grows_by_its_capacity_and_a_tenth_and_one_at_most(
    capacity_w: int, length_s: int, most: int
) -> None:
    assert plausible_wh(capacity_w, length_s) == most
    # Intake's own words: delta > capacity x 1.1 x length / 3600 + 1 is doubted.
    for delta in (most, most + 1):
        doubted = 36_000 * (delta - 1) > capacity_w * 11 * length_s
        assert doubted == (delta > most)


def test_a_reason_keeps_its_number_and_a_freed_number_stays_free() -> None:
    numbers = {reason.text: int(reason) for reason in Reason}
    assert sorted(numbers.values()) == [1, 2, *range(4, 20)]
    assert (numbers["unknown-meter"], numbers["capacity"]) == (4, 16)
    with pytest.raises(ValueError, match="3"):
        Reason(3)


def test_reasons_say_what_becomes_of_the_seal() -> None:
    verified = {Reason.EQUIVOCATION, Reason.TIME_WINDOW}
    assert {r for r in Reason if r.final and not r.advances} == verified
    assert all(r.final for r in Reason if r.advances)
    assert {r for r in Reason if r.rebases} <= {r for r in Reason if r.advances}
    assert not Reason.BAD_SIGNATURE.advances
    assert Reason.BACKWARD_REGISTER.text == "backward-register"


HEADER = Header(
    bytes(32), MeterId(bytes(16)), EXPORT, 900, 900, 2, 7, bytes(32), bytes(32)
)
HEAD = Head(6, b"6" * 32, 900, 100)
DIGEST = b"7" * 32


@pytest.mark.parametrize(
    ("reason", "after"),
    [
        (None, Head(7, DIGEST, 2700, 140)),
        (Reason.BACKWARD_REGISTER, Head(7, DIGEST, 2700, 140)),
        (Reason.CAPACITY, Head(7, DIGEST, 900, 100)),
        (Reason.GAP, Head(7, DIGEST, 900, 100)),
        (Reason.BAD_SIGNATURE, HEAD),
        (Reason.OUT_OF_ORDER, HEAD),
    ],
)
def test_an_answer_moves_the_head_by_one_table(
    reason: Reason | None, after: Head
) -> None:
    assert HEAD.after(HEADER, DIGEST, 140, reason) == after
