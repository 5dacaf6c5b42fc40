"""The search for usage finds what is there, in every form a program would write it."""

import struct

import pytest

from meterseal_proto.encoding import Value, encode
from tests.support.disclosure import in_message, in_text

NUMBER = 1_234_567


@pytest.mark.parametrize(
    "leaf",
    [
        NUMBER,
        {"wh": NUMBER},
        f"used {NUMBER} Wh",
        b"noise" + struct.pack(">Q", NUMBER) + b"noise",
        b"\xff" + struct.pack("<I", NUMBER),
        b"noise1234567",
    ],
)
def test_a_number_in_a_message_is_found(leaf: Value) -> None:
    assert NUMBER in in_message({NUMBER, 7}, encode([1, [leaf, 5]]))
    assert in_message({NUMBER + 1, 5}, encode([1, [leaf, 5]])) == []


def test_among_noise_a_single_number_in_four_bytes_is_chance_and_three_are_not() -> (
    None
):
    told = [struct.pack(">I", NUMBER + n) for n in range(3)]
    noise = bytes(2000)
    wanted = set(range(NUMBER, NUMBER + 3))
    assert in_message(wanted, encode([noise, *told[:2]])) == []
    assert set(in_message(wanted, encode([noise, *told]))) == wanted
    eight = struct.pack(">Q", NUMBER)
    assert in_message(wanted, encode([noise, eight])) == [NUMBER]


def test_a_number_in_a_text_is_found_and_a_part_of_one_is_not() -> None:
    assert in_text({4_711}, b'{"value": 4711}') == [4_711]
    assert in_text({471}, b'{"value": 4711}') == []
