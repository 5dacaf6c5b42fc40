"""Which edges are pulses, and what a pulse is worth. Pure: time comes with the edges."""

from fractions import Fraction

import pytest

from meterseal_agent.meters.gpio import GpioEdges, GpioLine, settings
from meterseal_agent.meters.pulse import BURST, Edge, Gate, Pulse
from meterseal_proto.errors import Unavailable
from meterseal_proto.units import IMPORT, WATER

MS = 1_000_000
SECOND = 1000 * MS
PULSE = Pulse(IMPORT, Fraction(1), most_per_h=3600)
"""1000 imp/kWh on a meter of 3.6 kW: at most a pulse a second, and a tenth more."""


def edges(*at_ns: int) -> list[Edge]:
    return [Edge(at, i) for i, at in enumerate(at_ns, 1)]


def test_every_edge_of_a_calm_line_is_a_pulse() -> None:
    gate = Gate(PULSE)
    assert gate.pulses(edges(*range(SECOND, 100 * SECOND, SECOND))) == 99
    assert gate.noisy_at is None


def test_bounces_within_the_debounce_time_are_one_pulse() -> None:
    gate = Gate(PULSE)
    assert gate.pulses(edges(0, 2 * MS, 5 * MS, 29 * MS, SECOND, SECOND + MS)) == 2


def test_a_fast_output_loses_no_pulse_to_the_debounce_time() -> None:
    # 10,000 imp/kWh at 24 kW: a pulse every 15 ms, shorter than the usual 30.
    fast = Pulse(IMPORT, Fraction(1, 10), most_per_h=24_000)
    assert Gate(fast).pulses(edges(*range(0, 1500 * MS, 15 * MS))) == 100
    slow = Pulse(IMPORT, Fraction(1), most_per_h=24_000)
    assert slow.gap_ns == 30 * MS


def test_edges_that_the_kernel_could_not_keep_are_counted_by_their_numbers() -> None:
    gate = Gate(Pulse(IMPORT, Fraction(1)))
    assert gate.pulses([Edge(0, 1), Edge(SECOND, 5), Edge(2 * SECOND, 6)]) == 6
    gate.opened()
    assert gate.pulses([Edge(3 * SECOND, 1)]) == 1


def test_pulses_faster_than_the_meter_can_give_are_noise_and_not_counted() -> None:
    gate = Gate(PULSE)
    fast = edges(*range(0, 10 * SECOND, 50 * MS))
    assert gate.pulses(fast) <= BURST + 11
    assert gate.noisy_at is not None
    last = gate.noisy_at
    assert gate.pulses([Edge(100 * SECOND, 1)]) == 1
    assert gate.noisy_at == last


@pytest.mark.parametrize(
    ("weight", "count", "value"),
    [
        (Fraction(1), 7, 107),
        (Fraction(1000, 800), 3, 103),
        (Fraction(1000, 800), 4, 105),
        (Fraction(1, 10), 19, 101),
        (Fraction(10), 3, 130),
    ],
)
def test_a_count_becomes_whole_units_exactly_and_only_grows(
    weight: Fraction, count: int, value: int
) -> None:
    pulse = Pulse(WATER, weight, start=100)
    assert pulse.value(count) == value
    values = [pulse.value(n) for n in range(50)]
    assert values == sorted(values)


@pytest.mark.parametrize(
    "wrong",
    [{"weight": Fraction(0)}, {"start": -1}, {"most_per_h": -1}, {"debounce_s": -0.1}],
)
def test_a_pulse_that_makes_no_sense_is_refused(
    wrong: dict[str, Fraction | int | float],
) -> None:
    given = {"weight": Fraction(1), **wrong}
    with pytest.raises(ValueError, match=r"pulse|register|rate"):
        Pulse(WATER, **given)  # type: ignore[arg-type]


def test_a_line_is_set_as_it_is_wired() -> None:
    pytest.importorskip("gpiod")
    text = str(settings(GpioLine("/dev/gpiochip0", 17, "pull-down", falling=False)))
    assert "direction=Direction.INPUT" in text
    assert "edge_detection=Edge.RISING" in text
    assert "bias=Bias.PULL_DOWN" in text
    text = str(settings(GpioLine("/dev/gpiochip0", 17)))
    assert "edge_detection=Edge.FALLING bias=Bias.PULL_UP" in text
    assert "debounce_period=0:00:00.005000" in text


async def test_a_chip_that_is_not_there_is_said() -> None:
    pytest.importorskip("gpiod")
    line = GpioEdges(GpioLine("/dev/no-gpiochip", 17))
    with pytest.raises(Unavailable, match=r"/dev/no-gpiochip line 17: .*No such file"):
        line.open()
    with pytest.raises(Unavailable, match="is not open"):
        await line.ready()
    with pytest.raises(Unavailable, match="is not open"):
        line.take()
    line.close()
