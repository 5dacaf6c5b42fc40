"""What was told of minted energy, anchors, deliveries and the members' token.

Energy in Wh, utility tokens in millionths, times in Unix seconds, registers as six OBIS
bytes. This module must never add up anything: mirrors do.
"""

from dataclasses import dataclass

from meterseal_aggregator.stacks.events.record import Hash, Told, told
from meterseal_proto.c32 import Principal


@told("energy-token", "energy-moved")
@dataclass(frozen=True, slots=True)
class EnergyMoved(Told):
    """Wh changed hands."""

    amount: int
    sender: Principal
    recipient: Principal


@told("energy-token", "energy-minted")
@dataclass(frozen=True, slots=True)
class EnergyMinted(Told):
    """Wh were minted for a slot; less what the owner owed."""

    id: Hash
    revision: int
    owner: Principal
    amount: int
    meter_point: int
    register: int
    start: int
    end: int


@told("energy-token", "energy-reversed")
@dataclass(frozen=True, slots=True)
class EnergyReversed(Told):
    """Wh were taken back, as far as held burned."""

    id: Hash
    revision: int
    owner: Principal
    amount: int
    burned: int


@told("energy-token", "epoch-posted")
@dataclass(frozen=True, slots=True)
class EpochPosted(Told):
    """An epoch's claims are known by their root."""

    epoch: int
    root: Hash
    size: int
    total: int


@told("energy-token", "energy-claimed")
@dataclass(frozen=True, slots=True)
class EnergyClaimed(Told):
    """A claim of an epoch was paid; less what the owner owed."""

    epoch: int
    index: int
    owner: Principal
    amount: int
    meter_point: int
    register: int
    start: int
    end: int


@told("energy-token", "energy-retired")
@dataclass(frozen=True, slots=True)
class EnergyRetired(Told):
    """Wh were destroyed for good."""

    holder: Principal
    amount: int
    beneficiary: Hash
    start: int
    end: int


@told("energy-token", "energy-described")
@dataclass(frozen=True, slots=True)
class EnergyDescribed(Told):
    """The token is described there."""

    uri: str


@told("energy-oracle", "anchor")
@dataclass(frozen=True, slots=True)
class Anchor(Told):
    """The log's checkpoint is anchored."""

    number: int
    size: int
    root: Hash


@told("energy-oracle", "delivery-confirmed")
@dataclass(frozen=True, slots=True)
class DeliveryConfirmed(Told):
    """The oracle said what a trade delivered."""

    trade: int
    delivered: int
    evidence: Hash


@told("energy-oracle", "oracle-offered")
@dataclass(frozen=True, slots=True)
class OracleOffered(Told):
    """The oracle's place is offered."""

    who: Principal


@told("energy-oracle", "oracle-changed")
@dataclass(frozen=True, slots=True)
class OracleChanged(Told):
    """The oracle's place is taken."""

    who: Principal


@told("utility-token", "utility-moved")
@dataclass(frozen=True, slots=True)
class UtilityMoved(Told):
    """Tokens changed hands."""

    amount: int
    sender: Principal
    recipient: Principal


@told("utility-token", "utility-minted")
@dataclass(frozen=True, slots=True)
class UtilityMinted(Told):
    """Tokens were made."""

    amount: int
    recipient: Principal


@told("utility-token", "utility-burned")
@dataclass(frozen=True, slots=True)
class UtilityBurned(Told):
    """Tokens were destroyed."""

    amount: int
    holder: Principal


@told("utility-token", "utility-described")
@dataclass(frozen=True, slots=True)
class UtilityDescribed(Told):
    """The token is described there."""

    uri: str
