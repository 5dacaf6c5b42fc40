"""Identity's nouns and its one rule: which role may do what to whose things.

Pure. What `may` does not name is forbidden. This module must never hold a token, only
its hash.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NewType

TOKEN_VALID_S: Final = 90 * 86_400
"""A token lives a quarter unless it is told otherwise."""
MAX_TOKEN_S: Final = 3_650 * 86_400
"""Ten years; a token that lives longer is forgotten."""

MemberId = NewType("MemberId", int)
"""A member's row id."""


class Role(StrEnum):
    """What a token speaks for."""

    OPERATOR = "operator"
    """The utility: runs the aggregator."""
    MEMBER = "member"
    """A prosumer or resident: what is his, and nothing else."""
    AUDITOR = "auditor"
    """Reads what proves and what totals, never a household's readings."""
    METRICS = "metrics"
    """A scraper of the metrics page."""


class Action(StrEnum):
    """What can be asked of the API beyond what everybody may read."""

    MANAGE = "manage"
    """Make members, meter points, tenancies, codes; revoke keys."""
    SEE_MEMBER = "see-member"
    SEE_METER = "see-meter"
    SEE_READINGS = "see-readings"
    SEE_BALANCES = "see-balances"
    TAKE_BUNDLE = "take-bundle"
    """A bundle holds a seal's readings in the open."""
    SEE_TRAIL = "see-trail"
    """The trail of operator acts."""
    SEE_EVIDENCE = "see-evidence"
    """What was not accepted, and why; not its payload, which may hold readings."""
    SEE_METRICS = "see-metrics"
    USE_WALLETS = "use-wallets"
    """Link accounts on the chain, and be handed calls for them to sign."""
    APPLY = "apply"
    """Ask to be a certified producer, and see what became of it."""
    TRADE = "trade"
    """Offer, order, bid and stake, and see what came of it."""
    PAY = "pay"
    """Pay bills from the balance, and see what came of it."""
    CERTIFY = "certify"
    """Decide on such applications; a member may where he is authorised, by his level."""


_ANYBODYS: Final[dict[Role, frozenset[Action]]] = {
    Role.OPERATOR: frozenset(Action),
    Role.MEMBER: frozenset(),
    Role.AUDITOR: frozenset({Action.SEE_TRAIL, Action.SEE_METER, Action.SEE_EVIDENCE}),
    Role.METRICS: frozenset({Action.SEE_METRICS}),
}
_OWN: Final = frozenset(
    {
        Action.SEE_MEMBER,
        Action.SEE_METER,
        Action.SEE_READINGS,
        Action.SEE_BALANCES,
        Action.TAKE_BUNDLE,
        Action.USE_WALLETS,
        Action.APPLY,
        Action.TRADE,
        Action.PAY,
    }
)


def may(role: Role, action: Action, *, owns: bool) -> bool:
    """Tell whether a role may do this; `owns`: the object is the asking member's own."""
    return action in _ANYBODYS[role] or (
        role is Role.MEMBER and owns and action in _OWN
    )


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, as a valid token says; `member` is None for all roles but members."""

    role: Role
    member: MemberId | None
    prefix: str
    """The token's first characters: its name in the trail."""
    token: int = 0
    """The token's row id, to see later whether it is still good."""


@dataclass(frozen=True, slots=True)
class Member:
    """A member as the books know him."""

    id: MemberId
    name: str


@dataclass(frozen=True, slots=True)
class TokenInfo:
    """A token without its secret; times in real Unix seconds."""

    id: int
    prefix: str
    role: Role
    member: MemberId | None
    label: str
    created_at: int
    expires_at: int
    revoked_at: int | None


@dataclass(frozen=True, slots=True)
class Act:
    """One line of the operators' trail: who did what to what, and when."""

    id: int
    at: int
    actor: str
    act: str
    object: str


class NameTaken(Exception):
    """There is a member of that name; the message says what to do."""


class NoSuchMember(Exception):
    """There is no member of that number; the message names it."""


class TokenRefused(Exception):
    """A token cannot be made so; the message says what to do."""
