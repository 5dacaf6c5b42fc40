"""The table of an order's life: complete, closed, and every end an end."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterseal_aggregator.market.lifecycle import (
    CLAIMS_ENERGY,
    ENDED,
    MOVES,
    Event,
    Illegal,
    State,
    after,
    metered,
    reservation_over,
)


def test_every_state_is_in_the_table_and_reached_from_a_reservation() -> None:
    assert set(MOVES) == set(State)
    reached, todo = set[State](), {State.RESERVED}
    while todo:
        state = todo.pop()
        reached.add(state)
        todo |= set(MOVES[state].values()) - reached
    assert reached == set(State)


def test_the_legal_moves_are_these() -> None:
    rows = {
        (state.value, event.value, to.value)
        for state, moves in MOVES.items()
        for event, to in moves.items()
    }
    corrected = {
        (state, event, to)
        for state in ("confirmed", "delivered", "partial", "failed")
        for event, to in (
            ("meter-all", "delivered"),
            ("meter-some", "partial"),
            ("meter-none", "failed"),
        )
    }
    assert rows == corrected | {
        ("reserved", "confirm", "confirmed"),
        ("reserved", "release", "released"),
        ("reserved", "expire", "expired"),
        ("confirmed", "cancel", "cancelled"),
        ("confirmed", "void", "voided"),
    }


def test_what_ended_stays_ended_and_claims_nothing() -> None:
    assert {one.value for one in ENDED} == {
        "released",
        "expired",
        "cancelled",
        "voided",
    }
    for state in ENDED:
        assert state not in CLAIMS_ENERGY
        for event in Event:
            with pytest.raises(
                Illegal, match=f"{event.value}: the order is {state.value}"
            ):
                after(state, event)


@given(events=st.lists(st.sampled_from(Event), max_size=12))
def test_no_history_confirms_or_cancels_twice(events: list[Event]) -> None:
    state, done = State.RESERVED, []
    for event in events:
        try:
            state = after(state, event)
        except Illegal:
            continue
        done.append(event)
    once = [Event.CONFIRM, Event.RELEASE, Event.EXPIRE, Event.CANCEL, Event.VOID]
    assert all(done.count(event) <= 1 for event in once)
    assert not ({Event.CANCEL, Event.VOID} <= set(done))


@pytest.mark.parametrize(
    ("delivered", "event"),
    [(0, Event.METER_NONE), (1, Event.METER_SOME), (9, Event.METER_SOME), (10, Event.METER_ALL)],
)  # fmt: skip
def test_what_was_metered_names_the_event(delivered: int, event: Event) -> None:
    assert metered(10, delivered) is event


@pytest.mark.parametrize(("ordered", "delivered"), [(0, 0), (1, 2), (1, -1)])
def test_what_cannot_be_metered_is_refused(ordered: int, delivered: int) -> None:
    with pytest.raises(ValueError, match="part of what was ordered"):
        metered(ordered, delivered)


def test_a_reservation_lives_ten_minutes_its_last_second_included() -> None:
    assert [reservation_over(1_000, 1_000 + s) for s in (0, 599, 600, 601)] == [
        False,
        False,
        False,
        True,
    ]
