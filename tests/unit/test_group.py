"""The group, each backend against py-ecc: encodings, sums, products, many at once."""

import hashlib

import pytest

from meterseal_proto.curve import FIELD, ORDER
from meterseal_proto.group import Group, Point, groups
from meterseal_proto.group_native import FEW
from meterseal_proto.group_python import PythonGroup
from meterseal_proto.multiscalar import signed_digits
from meterseal_proto.secret import Secret

BACKENDS = list(groups())
ORACLE = PythonGroup()


@pytest.fixture(params=BACKENDS, ids=lambda g: g.name)
def group(request: pytest.FixtureRequest) -> Group:
    found: Group = request.param
    return found


def scalar(seed: int) -> int:
    return int.from_bytes(hashlib.sha512(seed.to_bytes(4)).digest()) % ORDER


def point(of: Group, number: int) -> Point:
    found = of.base(Secret(number))
    assert found is not None
    return found


def shown(of: Group, found: Point | None) -> str:
    return "infinity" if found is None else of.encode(found).hex()


EDGES = (0, 1, 2, 3, ORDER - 1, ORDER - 2, ORDER // 2, 2**255, 2**128, 2**64)


def test_the_c_library_is_used_where_it_is() -> None:
    assert BACKENDS[0].name == "coincurve"
    assert BACKENDS[-1].name == "py-ecc"


@pytest.mark.parametrize("number", [*EDGES, *map(scalar, range(4))])
def test_multiples_are_the_oracles(group: Group, number: int) -> None:
    origin = point(group, 7)
    expected = shown(ORACLE, ORACLE.base(Secret(7 * number)))
    assert shown(group, group.times(origin, number)) == expected
    assert shown(group, group.times_secret(origin, Secret(number))) == expected
    assert shown(group, group.base(Secret(7 * number))) == expected
    assert shown(group, group.combine([origin], [number])) == expected


def test_sums_double_cancel_and_may_be_empty(group: Group) -> None:
    one, two = point(group, 1), point(group, 2)
    assert group.add([]) is None
    assert shown(group, group.add([one])) == shown(group, one)
    assert shown(group, group.add([one, one])) == shown(group, two)
    assert group.add([one, group.negate(one)]) is None
    total = group.add([one, two, group.negate(one), one, one])
    assert shown(group, total) == shown(group, point(group, 4))
    assert shown(group, group.negate(group.negate(two))) == shown(group, two)


@pytest.mark.parametrize("count", [1, 3, 200, FEW - 1, FEW, 700])
def test_many_at_once_is_the_sum_of_each(group: Group, count: int) -> None:
    if group.name == "py-ecc" and count > 3:
        count = 3
    numbers = [scalar(seed) for seed in range(count)]
    factors = [scalar(seed + 10_000) for seed in range(count)]
    factors[: len(EDGES)] = EDGES[:count]
    points = [point(group, number) for number in numbers]
    expected = sum(n * f for n, f in zip(numbers, factors, strict=True))
    found = group.combine(points, factors)
    assert shown(group, found) == shown(ORACLE, ORACLE.base(Secret(expected)))


def test_many_that_cancel_are_infinity(group: Group) -> None:
    count = 2 if group.name == "py-ecc" else FEW
    points = [point(group, 5 + n // 2) for n in range(2 * count)]
    factors = [scalar(n // 2) * (-1) ** n % ORDER for n in range(2 * count)]
    assert group.combine(points, factors) is None
    assert group.combine(points, [0] * len(points)) is None
    assert group.combine([], []) is None
    with pytest.raises(ValueError, match=r"argument|as many"):
        group.combine(points, factors[1:])


def test_only_the_one_encoding_of_a_point_is_taken(group: Group) -> None:
    raw = group.encode(point(group, 12_345))
    assert group.encode(group.decode(raw)) == raw
    x = int.from_bytes(raw[1:])
    y = pow(x**3 + 7, (FIELD + 1) // 4, FIELD)
    whole = x.to_bytes(32) + y.to_bytes(32)
    small = next(n for n in range(1, 50) if not _on_curve(n))
    for bad in (
        b"", bytes(33), bytes(1), raw[:32], raw + b"\x00",
        b"\x00" + raw[1:], b"\x01" + raw[1:], b"\x04" + raw[1:], b"\x05" + raw[1:],
        b"\x04" + whole, bytes([6 + y % 2]) + whole, bytes([7 - y % 2]) + whole,
        b"\x02" + FIELD.to_bytes(32), b"\x02" + (FIELD + 1).to_bytes(32),
        b"\x03" + b"\xff" * 32, b"\x02" + small.to_bytes(32),
    ):  # fmt: skip
        with pytest.raises(ValueError, match="not a compressed point"):
            group.decode(bad)


def _on_curve(x: int) -> bool:
    square = (x**3 + 7) % FIELD
    return pow(square, (FIELD - 1) // 2, FIELD) == 1


def test_digits_of_a_window_add_up_to_the_scalar() -> None:
    numbers = [*EDGES, *map(scalar, range(50))]
    for width in (4, 5, 8, 13, 14):
        digits = signed_digits(numbers, width)
        for column, number in enumerate(numbers):
            found = sum(int(d) << (width * r) for r, d in enumerate(digits[:, column]))
            assert found == number
        assert abs(digits).max() <= 1 << (width - 1)
