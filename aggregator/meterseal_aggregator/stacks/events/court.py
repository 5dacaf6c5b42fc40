"""What was told of disputes, proposals and votes.

Values and amounts in the unit of what is disputed or proposed, times in Unix seconds.
This module must never decide anything.
"""

from dataclasses import dataclass

from meterseal_aggregator.stacks.events.record import Hash, Told, told
from meterseal_proto.c32 import Principal


@told("dispute-resolution", "dispute-opened")
@dataclass(frozen=True, slots=True)
class DisputeOpened(Told):
    """A trade (kind 1) or a bill (2) is disputed."""

    dispute: int
    kind: int
    subject: int
    claimant: Principal
    asked: int
    evidence: Hash
    bond: int


@told("dispute-resolution", "dispute-decided")
@dataclass(frozen=True, slots=True)
class DisputeDecided(Told):
    """A dispute is decided, by checked evidence or by votes."""

    dispute: int
    checked: bool
    grants: bool
    value: int


@told("dispute-resolution", "dispute-vote")
@dataclass(frozen=True, slots=True)
class DisputeVote(Told):
    """Somebody voted in a round."""

    dispute: int
    round: int
    voter: Principal
    grants: bool


@told("dispute-resolution", "dispute-to-members")
@dataclass(frozen=True, slots=True)
class DisputeToMembers(Told):
    """The members vote next."""

    dispute: int


@told("dispute-resolution", "dispute-final")
@dataclass(frozen=True, slots=True)
class DisputeFinal(Told):
    """A decision is carried out."""

    dispute: int
    grants: bool
    value: int


@told("governance", "proposed")
@dataclass(frozen=True, slots=True)
class Proposed(Told):
    """A change is proposed."""

    proposal: int
    proposer: Principal
    kind: int
    mode: int
    name: str
    value: int
    who: Principal | None
    text: Hash
    ends_at: int


@told("governance", "voted")
@dataclass(frozen=True, slots=True)
class Voted(Told):
    """A member voted; `weight` in millionths, or 1."""

    proposal: int
    voter: Principal
    yes: bool
    weight: int


@told("governance", "unlocked")
@dataclass(frozen=True, slots=True)
class Unlocked(Told):
    """A vote's tokens went back."""

    proposal: int
    voter: Principal
    weight: int


@told("governance", "proposal-withdrawn")
@dataclass(frozen=True, slots=True)
class ProposalWithdrawn(Told):
    """A proposal is withdrawn."""

    proposal: int


@told("governance", "executed")
@dataclass(frozen=True, slots=True)
class Executed(Told):
    """What passed is carried out."""

    proposal: int
    kind: int
    name: str
    value: int
    who: Principal | None
