from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterseal_agent.meters.planner import Block, Limits, plan
from meterseal_agent.meters.profile import load
from meterseal_agent.meters.registers import Form, Kind, Point, Scale, Unit
from meterseal_proto.units import RegisterId


def point(address: int, kind: Kind = Kind.F32, unit: Unit = Unit.WATT) -> Point:
    return Point(f"p{address}", RegisterId(address), address, kind, Fraction(1), unit)


def test_neighbours_are_read_in_one_request() -> None:
    assert plan([point(2), point(0), point(4)], Limits(80)) == (Block(0, 6),)


def test_a_gap_is_not_bridged_unless_the_profile_says_it_answers() -> None:
    points = [point(0), point(6)]
    assert plan(points, Limits(80)) == (Block(0, 2), Block(6, 2))
    assert plan(points, Limits(80, readable=((0, 80),))) == (Block(0, 8),)
    assert plan(points, Limits(80, readable=((2, 6),))) == (Block(0, 8),)
    assert plan(points, Limits(80, readable=((3, 6),))) == (Block(0, 2), Block(6, 2))


def test_a_block_never_exceeds_the_read_limit() -> None:
    assert plan([point(a) for a in range(0, 12, 2)], Limits(4)) == (
        Block(0, 4),
        Block(4, 4),
        Block(8, 4),
    )


def test_the_registers_that_scale_a_point_are_read_with_it() -> None:
    ratio = Scale("ratio", 6, Kind.U16, Form.FACTOR)
    points = [replace(point(a), scaled_by=(ratio,)) for a in (0, 4)]
    assert plan(points, Limits(80)) == (Block(0, 2), Block(4, 3))


def test_energy_is_asked_for_first() -> None:
    points = [point(0), point(72, unit=Unit.WATT_HOUR)]
    assert plan(points, Limits(80)) == (Block(72, 2), Block(0, 2))


def test_a_meter_of_pairs_is_asked_from_even_addresses_in_even_counts() -> None:
    assert plan([point(5, Kind.U16)], Limits(80, pairs=True)) == (Block(4, 2),)
    with pytest.raises(ValueError, match="odd"):
        plan([point(5)], Limits(80, pairs=True))


def test_a_point_longer_than_the_read_limit_is_refused() -> None:
    with pytest.raises(ValueError, match="longer than the read limit"):
        plan([point(0, Kind.S64)], Limits(3))


def test_a_unit_that_refuses_a_bridged_block_is_asked_without_bridges() -> None:
    limits = load("eastron-sdm630").limits
    assert len(plan(load("eastron-sdm630").points, limits)) == 1
    assert len(plan(load("eastron-sdm630").points, limits.without_bridges())) == 3


addresses = st.lists(st.integers(0, 300), min_size=1, max_size=30)
kinds = st.sampled_from([Kind.U16, Kind.F32, Kind.S64])


@given(addresses, kinds, st.integers(4, 125))
def test_a_plan_covers_every_point_and_asks_for_nothing_unmapped(
    where: Sequence[int], kind: Kind, limit: int
) -> None:
    points = [point(address, kind) for address in where]
    blocks = plan(points, Limits(limit))
    asked = {a for block in blocks for a in range(block.address, block.end)}
    assert asked == {a for p in points for a in range(p.address, p.end)}
    for p in points:
        assert any(b.address <= p.address and p.end <= b.end for b in blocks)
    assert all(block.count <= limit for block in blocks)
