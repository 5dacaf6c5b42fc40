"""The rules of certification: one table, three levels, and times that undo nothing."""

from itertools import product

import pytest

from meterseal_aggregator.registry.certification import (
    HOUR_S,
    MAX_AHEAD_S,
    TABLE,
    Act,
    Certifier,
    Entry,
    Ground,
    Level,
    Limits,
    Source,
    Standing,
    State,
    Wish,
    after,
    begins_at,
    check_decider,
    check_wish,
    ends_at,
    replay,
)
from meterseal_aggregator.registry.model import Refused, Trouble

NOON = 1_800_000_000 - 1_800_000_000 % 86_400 + 43_200
ANYTHING = Limits(1, 1 << 50, 0)


@pytest.mark.parametrize(("state", "act"), list(product([None, *State], Act)))
def test_what_is_not_in_the_table_cannot_happen(state: State | None, act: Act) -> None:
    if (state, act) in TABLE:
        assert after(state, act) is TABLE[state, act]
        return
    with pytest.raises(Refused) as refused:
        after(state, act)
    assert refused.value.trouble is Trouble.STATE


def test_every_act_is_done_and_every_state_is_reached() -> None:
    assert {act for _, act in TABLE} == set(Act)
    assert set(TABLE.values()) == set(State)


@pytest.mark.parametrize(
    ("act", "capacity_w", "lowest"),
    [
        (Act.APPROVE, 10_000, Level.SMALL),
        (Act.REFUSE, 10_000, Level.SMALL),
        (Act.APPROVE, 10_001, Level.ANY),
        (Act.REFUSE, 10_001, Level.ANY),
        (Act.REVOKE, 1, Level.REVOKE),
    ],
)
def test_each_act_takes_its_level_and_no_lower_one(
    act: Act, capacity_w: int, lowest: Level
) -> None:
    for level in Level:
        who = Certifier("somebody", level, 2)
        if level >= lowest:
            check_decider(act, capacity_w, 1, who)
            continue
        with pytest.raises(Refused) as refused:
            check_decider(act, capacity_w, 1, who)
        assert refused.value.trouble is Trouble.LEVEL


@pytest.mark.parametrize("act", [Act.APPROVE, Act.REFUSE, Act.REVOKE])
def test_nobody_decides_on_his_own_application(act: Act) -> None:
    with pytest.raises(Refused) as refused:
        check_decider(act, 1, 7, Certifier("member 7", Level.REVOKE, 7))
    assert refused.value.trouble is Trouble.OWN


@pytest.mark.parametrize(
    ("capacity_w", "monthly_wh", "limits", "right"),
    [
        (1_000, 744_000, ANYTHING, True),
        (1_000, 744_001, ANYTHING, False),
        (1_000, 500, Limits(500, 600, 0), True),
        (1_000, 499, Limits(500, 600, 0), False),
        (1_000, 600, Limits(500, 600, 0), True),
        (1_000, 601, Limits(500, 600, 0), False),
    ],
)
def test_production_lies_within_the_limits_and_what_the_capacity_gives(
    capacity_w: int, monthly_wh: int, limits: Limits, right: bool
) -> None:
    wish = Wish(1, 1, capacity_w, monthly_wh, Source.SOLAR)
    if right:
        check_wish(wish, limits)
        return
    with pytest.raises(Refused) as refused:
        check_wish(wish, limits)
    assert refused.value.trouble is Trouble.LIMITS


FIRST = Ground(NOON - 600, NOON + 60, minted_until=0, open_from=None)
SECOND = Ground(NOON - 600, NOON + 60, minted_until=NOON + 900, open_from=NOON - 9_000)


@pytest.mark.parametrize(
    ("wanted", "ground", "begins"),
    [
        (None, FIRST, NOON + 60),
        (NOON - 600, FIRST, NOON - 600),
        (NOON - 601, FIRST, None),
        (NOON + 60 + MAX_AHEAD_S, FIRST, NOON + 60 + MAX_AHEAD_S),
        (NOON + 61 + MAX_AHEAD_S, FIRST, None),
        (None, SECOND, NOON + HOUR_S),
        (NOON, SECOND, None),
        (NOON + HOUR_S, SECOND, NOON + HOUR_S),
        (NOON + HOUR_S + 1, SECOND, None),
    ],
)
def test_a_certificate_begins_when_asked_for_or_later_and_cuts_no_slot_of_another(
    wanted: int | None, ground: Ground, begins: int | None
) -> None:
    if begins is not None:
        assert begins_at(wanted, ground) == begins
        return
    with pytest.raises(Refused) as refused:
        begins_at(wanted, ground)
    assert refused.value.trouble is Trouble.BAD_REQUEST


@pytest.mark.parametrize(
    ("wanted", "minted_until", "ends"),
    [
        (None, 0, NOON),
        (None, NOON + 900, NOON + 900),
        (NOON - 900, NOON - 900, NOON - 900),
        (NOON - 901, NOON - 900, Trouble.MINTED),
        (NOON - 9_000, 0, Trouble.BAD_REQUEST),
        (NOON - 8_999, 0, NOON - 8_999),
        (NOON + MAX_AHEAD_S, 0, NOON + MAX_AHEAD_S),
        (NOON + MAX_AHEAD_S + 1, 0, Trouble.BAD_REQUEST),
    ],
)
def test_a_revocation_undoes_nothing_that_was_minted(
    wanted: int | None, minted_until: int, ends: int | Trouble
) -> None:
    times = {"from_at": NOON - 9_000, "minted_until": minted_until, "now": NOON}
    if not isinstance(ends, Trouble):
        assert ends_at(wanted, **times) == ends
        return
    with pytest.raises(Refused) as refused:
        ends_at(wanted, **times)
    assert refused.value.trouble is ends


def _entry(number: int, of: int, act: Act, effective_at: int | None = None) -> Entry:
    return Entry(number, of, act, "somebody", 3, effective_at, "so", NOON)


def test_the_trail_alone_says_where_each_application_stands() -> None:
    trail = [
        _entry(1, 1, Act.APPLY),
        _entry(2, 2, Act.GRANT, 10),
        _entry(3, 3, Act.APPLY),
        _entry(4, 2, Act.REPLACE, 20),
        _entry(5, 1, Act.APPROVE, 20),
        _entry(6, 3, Act.REFUSE),
        _entry(7, 1, Act.REVOKE, 30),
        _entry(8, 4, Act.APPLY),
    ]
    assert replay(trail) == {
        1: Standing(State.REVOKED, 20, 30),
        2: Standing(State.REPLACED, 10, 20),
        3: Standing(State.REFUSED),
        4: Standing(State.APPLIED),
    }


def test_a_trail_that_cannot_have_been_is_refused() -> None:
    with pytest.raises(Refused):
        replay([_entry(1, 1, Act.APPLY), _entry(2, 1, Act.REVOKE, 3)])
