"""A secret scalar goes nowhere by accident."""

import pickle

import pytest

from meterseal_proto.curve import ORDER
from meterseal_proto.group import groups
from meterseal_proto.group_native import FEW
from meterseal_proto.secret import Secret


def test_a_secret_is_not_shown_compared_hashed_counted_or_pickled() -> None:
    one = Secret(123_456)
    assert "123" not in repr(one)
    for deed in (
        lambda: one == Secret(123_456),
        lambda: hash(one),
        lambda: bool(one),
        lambda: int(one),  # type: ignore[call-overload]
        lambda: bytes(one),  # type: ignore[call-overload]
        lambda: pickle.dumps(one),
        lambda: one + one,  # type: ignore[operator]
    ):
        with pytest.raises(TypeError):
            deed()


@pytest.mark.parametrize("made", [True, 1.0, "1", b"1", None])
def test_a_secret_is_made_of_an_int(made: object) -> None:
    with pytest.raises(TypeError):
        Secret(made)  # type: ignore[arg-type]


def test_arithmetic_is_modulo_n() -> None:
    one, two = Secret(ORDER - 1), Secret(5)
    assert one.plus(two).reveal() == 4
    assert two.negated().reveal() == ORDER - 5
    assert two.times(3).reveal() == 15
    assert two.times(one).reveal() == ORDER - 5
    assert Secret.total([one, two, two]).reveal() == 9
    assert Secret(0).negated().reveal() == 0
    assert Secret.of_bytes(b"\xff" * 64).reveal() == (2**512 - 1) % ORDER
    assert Secret(2**255).to_bytes() == bytes([0x80]) + bytes(31)


@pytest.mark.parametrize("group", list(groups()), ids=lambda g: g.name)
def test_a_public_route_does_not_take_a_secret(group) -> None:  # type: ignore[no-untyped-def]
    point = group.base(Secret(7))
    with pytest.raises(TypeError):
        group.times(point, Secret(2))
    for count in (1, FEW):
        with pytest.raises(TypeError):
            group.combine([point] * count, [Secret(2)] * count)
        with pytest.raises(TypeError):
            group.combine([point] * count, [True] * count)
