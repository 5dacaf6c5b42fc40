import pytest

from meterseal_sim import faults
from meterseal_sim.curve import Registers
from meterseal_sim.faults import Answer, Fault, Kind
from meterseal_sim.refusal import Refused

START = 1_000_000


def grows(t: int) -> Registers:
    return Registers(5000 + t - START, 100 + (t - START) // 2)


def fault(kind: Kind, amount: int = 0, chance: float = 1.0) -> Fault:
    return Fault(1, kind, START + 100, START + 200, amount, chance)


@pytest.mark.parametrize(
    ("broken", "second", "shown"),
    [
        (fault(Kind.FROZEN), 99, Registers(5099, 149)),
        (fault(Kind.FROZEN), 150, Registers(5100, 150)),
        (fault(Kind.FROZEN), 200, Registers(5200, 200)),
        (fault(Kind.RESET), 100, Registers(0, 0)),
        (fault(Kind.RESET), 160, Registers(60, 30)),
        (fault(Kind.BACKWARD, 120), 100, Registers(4980, 30)),
        (fault(Kind.BACKWARD, 9999), 100, Registers(0, 0)),
        (fault(Kind.SILENCE), 150, Registers(5150, 175)),
    ],
)
def test_a_broken_register_shows(broken: Fault, second: int, shown: Registers) -> None:
    assert faults.shown([broken], START + second, grows) == shown


@pytest.mark.parametrize(
    ("broken", "answer"),
    [
        (fault(Kind.SILENCE), Answer(None)),
        (fault(Kind.DELAY, 250), Answer(b"\x04\x02ok", 0.25)),
        (fault(Kind.ILLEGAL_ADDRESS), Answer(b"\x84\x02")),
        (fault(Kind.FROZEN), Answer(b"\x04\x02ok")),
    ],
)
def test_a_broken_answer_is(broken: Fault, answer: Answer) -> None:
    pdu = b"\x04\x02ok"
    assert faults.answered([broken], START + 100, 7, 1, pdu) == answer
    assert faults.answered([broken], START + 200, 7, 1, pdu) == Answer(pdu)


def test_chance_strikes_its_share_and_the_same_requests_again() -> None:
    half = [fault(Kind.SILENCE, chance=0.5)]
    first = [faults.answered(half, START + 100, 7, n, b"\x04").pdu for n in range(400)]
    again = [faults.answered(half, START + 100, 7, n, b"\x04").pdu for n in range(400)]
    assert first == again
    assert 150 < first.count(None) < 250


def test_a_fault_reads_back_as_it_was_written() -> None:
    for text in ("3:silence:3600:7200", "*:delay:0::250:0.5", "12:backward:10:20:500"):
        read = faults.parse(text, START)
        assert faults.parse(faults.written(read, START), START) == read
    assert faults.of_home([faults.parse("*:reset:0:", START)], 9)
    assert not faults.of_home([faults.parse("3:reset:0:", START)], 9)


@pytest.mark.parametrize(
    "text", ["", "3:silence", "3:shout:0:1", "x:reset:0:1", "1:reset:0:1:2:3:4"]
)
def test_a_fault_that_cannot_be_read_shows_an_example(text: str) -> None:
    with pytest.raises(Refused, match="3:silence:3600:7200"):
        faults.parse(text, START)


def test_a_delay_has_a_limit() -> None:
    with pytest.raises(Refused, match="at most 60000 ms"):
        faults.parse("1:delay:0:1:60001", START)
