"""Who may be a certified producer, and who may say so: the rules, without tables.

    APPLY --> applied --> APPROVE --> certified --> REVOKE or REPLACE
                     \\--> REFUSE       ^-- GRANT, by an operator, unasked

Only a certificate in force lets final exports mint. Pure: times are arguments, in the
network's Unix seconds. This module must never let anybody decide on his own application,
nor end a certificate before what was minted under it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import IntEnum, StrEnum
from typing import Final

from meterseal_aggregator.registry.model import Refused, Trouble

SMALL_W: Final = 10_000
"""A certifier of level 1 decides up to here: what a roof of a home carries."""
MONTH_H: Final = 31 * 24
"""Hours of the longest month: nobody makes more than his capacity in each of them."""
HOUR_S: Final = 3_600
"""The longest slot: a certificate that another replaces ends at an hour, which cuts none."""
MAX_AHEAD_S: Final = 31 * 86_400
"""How far ahead a certificate may begin or end; later is a slip."""
MAX_REASON: Final = 200
"""Characters of a reason: one or two sentences."""
ENDED: Final = "ended by the operator"
"""The reason where an operator ends a certificate and says none."""


class Source(StrEnum):
    """What a producer makes energy of; storage makes none."""

    SOLAR = "solar"
    WIND = "wind"
    HYDRO = "hydro"
    BIOMASS = "biomass"
    GEOTHERMAL = "geothermal"


class State(StrEnum):
    """Where an application stands."""

    APPLIED = "applied"
    CERTIFIED = "certified"
    REFUSED = "refused"
    REVOKED = "revoked"
    REPLACED = "replaced"


class Act(StrEnum):
    """What can be done about an application; each is a line of the trail."""

    APPLY = "apply"
    GRANT = "grant"
    """An operator certifies a meter point for whoever holds it, unasked."""
    APPROVE = "approve"
    REFUSE = "refuse"
    REVOKE = "revoke"
    REPLACE = "replace"
    """A later certificate of the same meter point took its place."""


TABLE: Final[dict[tuple[State | None, Act], State]] = {
    (None, Act.APPLY): State.APPLIED,
    (None, Act.GRANT): State.CERTIFIED,
    (State.APPLIED, Act.APPROVE): State.CERTIFIED,
    (State.APPLIED, Act.REFUSE): State.REFUSED,
    (State.CERTIFIED, Act.REVOKE): State.REVOKED,
    (State.CERTIFIED, Act.REPLACE): State.REPLACED,
}
"""The whole state machine; what is not here cannot happen."""
STATE_AFTER: Final[dict[Act, State]] = {act: state for (_, act), state in TABLE.items()}
"""Each act leaves one state, wherever it came from."""


class Level(IntEnum):
    """What a certifier may do; each may what those below may."""

    SMALL = 1
    """Decide on applications up to SMALL_W."""
    ANY = 2
    """Decide on all of them."""
    REVOKE = 3
    """End certificates as well."""


@dataclass(frozen=True, slots=True)
class Certifier:
    """Who decides: his name in the trail, and `member` where he is one."""

    name: str
    level: Level
    member: int | None = None


@dataclass(frozen=True, slots=True)
class Wish:
    """What a member asks to be certified for: W, Wh a month, and of what."""

    member: int
    meter_point_id: int
    capacity_w: int
    monthly_production_wh: int
    source: Source


@dataclass(frozen=True, slots=True)
class Limits:
    """What may be asked for, in Wh a month, and what asking costs, in micro-units."""

    minimum_wh: int
    maximum_wh: int
    fee_micro: int


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the trail. `effective_at` is from or until when, where the act says so."""

    id: int
    application_id: int
    act: Act
    actor: str
    level: int | None
    effective_at: int | None
    reason: str | None
    at: int


@dataclass(frozen=True, slots=True)
class Standing:
    """Where an application stands, and the span of its certificate; None: none, or open."""

    state: State
    from_at: int | None = None
    to_at: int | None = None


@dataclass(frozen=True, slots=True)
class Ground:
    """What decides when a certificate may begin: `minted_until` is the end of the last credit
    at the meter point (0: none), `open_from` when the one it replaces began (None: none).
    """

    applied_at: int
    now: int
    minted_until: int
    open_from: int | None


def check_wish(wish: Wish, limits: Limits) -> None:
    """Raise Refused (LIMITS) where no such producer is certified here."""
    monthly = wish.monthly_production_wh
    if not limits.minimum_wh <= monthly <= limits.maximum_wh:
        raise Refused(
            Trouble.LIMITS,
            f"certified are {limits.minimum_wh} to {limits.maximum_wh} Wh a month",
        )
    if monthly > wish.capacity_w * MONTH_H:
        raise Refused(
            Trouble.LIMITS,
            f"{wish.capacity_w} W make at most {wish.capacity_w * MONTH_H} Wh a month",
        )


def level_for(act: Act, capacity_w: int) -> Level:
    """Return the lowest level that may do this about a producer of `capacity_w`."""
    if act in (Act.APPROVE, Act.REFUSE):
        return Level.SMALL if capacity_w <= SMALL_W else Level.ANY
    return Level.REVOKE


def check_decider(
    act: Act, capacity_w: int, applicant: int | None, who: Certifier
) -> None:
    """Raise Refused (OWN, LEVEL) unless `who` may do this about `applicant`'s application."""
    if applicant is not None and applicant == who.member:
        raise Refused(Trouble.OWN, "nobody decides on his own application")
    needed = level_for(act, capacity_w)
    if who.level < needed:
        raise Refused(
            Trouble.LEVEL,
            f"to {act} {capacity_w} W takes a certifier of level {needed.value}",
        )


def after(state: State | None, act: Act) -> State:
    """Return the state that an act leads to; raises Refused (STATE)."""
    found = TABLE.get((state, act))
    if found is None:
        raise Refused(Trouble.STATE, f"cannot {act}: the application is {state}")
    return found


def begins_at(wanted: int | None, ground: Ground) -> int:
    """Return when a certificate begins: as `wanted`, or as soon as it may. Raises Refused.

    Never before it was asked for. One that replaces another begins at a full hour after
    what was minted, so that every slot lies in one of the two.
    """
    earliest, latest = ground.applied_at, ground.now + MAX_AHEAD_S
    if ground.open_from is not None:
        since = max(earliest, ground.minted_until, ground.open_from + 1)
        earliest = since + -since % HOUR_S
    if wanted is None:
        start = max(earliest, ground.now)
        return start if ground.open_from is None else start + -start % HOUR_S
    if not earliest <= wanted <= latest:
        raise Refused(
            Trouble.BAD_REQUEST, f"a certificate may begin from {earliest} to {latest}"
        )
    if ground.open_from is not None and wanted % HOUR_S:
        raise Refused(
            Trouble.BAD_REQUEST, "what replaces a certificate begins at a full hour"
        )
    return wanted


def ends_at(wanted: int | None, *, from_at: int, minted_until: int, now: int) -> int:
    """Return when a revoked certificate ends: as `wanted`, or as soon as it may.

    Raises Refused: MINTED for a time before the end of what was minted already.
    """
    earliest = max(from_at + 1, minted_until)
    if wanted is None:
        return max(earliest, now)
    if wanted <= from_at:
        raise Refused(Trouble.BAD_REQUEST, f"it began at {from_at}; end it later")
    if wanted < minted_until:
        raise Refused(
            Trouble.MINTED,
            f"energy until {minted_until} is minted: end it then or later",
        )
    if wanted > now + MAX_AHEAD_S:
        raise Refused(Trouble.BAD_REQUEST, f"end it by {now + MAX_AHEAD_S}")
    return wanted


def replay(trail: Iterable[Entry]) -> dict[int, Standing]:
    """Return where each application stands, by its number, from the trail alone, in order.

    Raises Refused (STATE) for a trail that cannot have been.
    """
    found: dict[int, Standing] = {}
    for entry in trail:
        before = found.get(entry.application_id)
        state = after(before.state if before else None, entry.act)
        standing = replace(before, state=state) if before else Standing(state)
        if state is State.CERTIFIED:
            standing = replace(standing, from_at=entry.effective_at)
        elif state in (State.REVOKED, State.REPLACED):
            standing = replace(standing, to_at=entry.effective_at)
        found[entry.application_id] = standing
    return found
