import pytest

from meterseal_sim import faults
from meterseal_sim.curve import Registers
from meterseal_sim.faults import Answer, Fault, Kind
from meterseal_sim.profile import Register
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
        (fault(Kind.ROLLOVER, 5120), 119, Registers(5119, 159)),
        (fault(Kind.ROLLOVER, 5120), 120, Registers(0, 160)),
        (fault(Kind.BROWN_OUT), 150, Registers(0, 0)),
        (fault(Kind.BROWN_OUT), 200, Registers(5200, 200)),
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
        (fault(Kind.BUSY), Answer(b"\x84\x06")),
        (fault(Kind.WRONG_UNIT, 3), Answer(b"\x04\x02ok", unit_shift=3)),
        (fault(Kind.LATE), Answer(b"\x04\x02ok", late=True)),
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
    for text in (
        "3:silence:3600:7200",
        "*:delay:0::250:0.5",
        "12:backward:10:20:500",
        "2:ct-reversed:0::L2",
        "2:ct-swapped:0::L1L3",
        "2:stuck:0:",
        "1:clock-jump:0::-60",
    ):
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


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1:ct-reversed:0::4", "phase 1, 2 or 3"),
        ("1:ct-swapped:0::14", "between phases 12, 23 or 13"),
        ("1:rollover:0::0", "starts again"),
        ("1:silence:0::0:1.5", "between 0 and 1"),
        ("1:silence:9:3", "ends before it begins"),
        ("1:busy:0::-1", "at least 0"),
    ],
)
def test_a_fault_that_cannot_be_is_refused_in_a_sentence(text: str, said: str) -> None:
    with pytest.raises(Refused, match=said):
        faults.parse(text, START)


def test_an_amount_left_out_is_the_usual_one() -> None:
    assert faults.parse("1:delay:0:", START).amount == 1500
    assert faults.parse("1:ct-swapped:0:", START).amount == 12


FRAME = bytes(range(1, 14))


def damage_of(kind: Kind, amount: int, ordinal: int = 1) -> bytes:
    broken = faults.answered([fault(kind, amount)], START + 100, 7, ordinal, b"\x04")
    return faults.damaged(FRAME, broken.damage)


@pytest.mark.parametrize("ordinal", range(40))
def test_the_wire_damages_a_frame_and_the_same_one_alike(ordinal: int) -> None:
    crc = damage_of(Kind.WRONG_CRC, 0, ordinal)
    assert crc[:-2] == FRAME[:-2]
    assert crc != FRAME
    assert len(damage_of(Kind.COLLISION, 0, ordinal)) == len(FRAME)
    assert damage_of(Kind.COLLISION, 0, ordinal) != FRAME
    cut = damage_of(Kind.TRUNCATED, 0, ordinal)
    assert 1 <= len(cut) < len(FRAME)
    assert FRAME.startswith(cut)
    noisy = damage_of(Kind.NOISE, 0, ordinal)
    assert noisy.endswith(FRAME)
    assert 1 <= len(noisy) - len(FRAME) <= 6
    assert noisy == damage_of(Kind.NOISE, 0, ordinal)


def test_an_amount_says_how_many_bytes_are_cut_or_put_before() -> None:
    assert damage_of(Kind.TRUNCATED, 4) == FRAME[:-4]
    assert damage_of(Kind.TRUNCATED, 200) == FRAME[:1]
    assert len(damage_of(Kind.NOISE, 9)) == len(FRAME) + 9


def test_words_are_not_to_be_had_in_the_vendors_ways() -> None:
    at = START + 100
    spoil = faults.spoiler([fault(Kind.NAN)], at, 7, 1)
    assert spoil(Register(4, 0, "f32", "power", 1), (1, 2)) == (0x7FC0, 0)
    assert spoil(Register(4, 0, "s64", "import", 1), (1, 2, 3, 4)) == (0x8000, 0, 0, 0)
    assert spoil(Register(4, 0, "u32", "import", 1), (1, 2)) == (0xFFFF, 0xFFFF)
    assert spoil(Register(4, 0, "u32", "serial", 1), (1, 2)) == (1, 2)
    swap = faults.spoiler([fault(Kind.SWAPPED_WORDS)], at, 7, 1)
    assert swap(Register(4, 0, "f32", "power", 1), (1, 2)) == (2, 1)
    right = faults.spoiler([fault(Kind.NAN)], START, 7, 1)
    assert right(Register(4, 0, "f32", "power", 1), (1, 2)) == (1, 2)
