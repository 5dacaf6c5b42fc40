"""What was told of users, meters, certification, roles and the audit log.

Capacity in W, energy in Wh, fees in micro-STX, times in Unix seconds; hashes and keys as
bytes. This module must never hold more of anybody than the chain tells.
"""

from dataclasses import dataclass

from meterseal_aggregator.stacks.events.record import Hash, Key, Meter, Told, told
from meterseal_proto.c32 import Principal


@told("user-registry", "user-registered")
@dataclass(frozen=True, slots=True)
class UserRegistered(Told):
    """Somebody takes part: producer 1, consumer 2, provider 3."""

    user: Principal
    part: int
    profile: Hash


@told("user-registry", "network-set")
@dataclass(frozen=True, slots=True)
class NetworkSet(Told):
    """The network's id is fixed."""

    network: Hash


@told("user-registry", "profile-set")
@dataclass(frozen=True, slots=True)
class ProfileSet(Told):
    """A profile's hash changed; it is to be verified again."""

    user: Principal
    profile: Hash


@told("user-registry", "user-verified")
@dataclass(frozen=True, slots=True)
class UserVerified(Told):
    """The registrar verified a user, or not any more."""

    user: Principal
    verified: bool


@told("user-registry", "meter-requested")
@dataclass(frozen=True, slots=True)
class MeterRequested(Told):
    """An owner asked for a meter."""

    meter: Meter
    owner: Principal
    key: Key
    from_seq: int


@told("user-registry", "meter-bound")
@dataclass(frozen=True, slots=True)
class MeterBound(Told):
    """A meter speaks by this key from a seq on."""

    meter: Meter
    owner: Principal
    key: Key
    from_seq: int


@told("user-registry", "new-key-requested")
@dataclass(frozen=True, slots=True)
class NewKeyRequested(Told):
    """An owner asked for a new key."""

    meter: Meter
    key: Key
    from_seq: int


@told("user-registry", "meter-key-rotated")
@dataclass(frozen=True, slots=True)
class MeterKeyRotated(Told):
    """A meter has a new key from a seq on."""

    meter: Meter
    epoch: int
    key: Key
    from_seq: int


@told("user-registry", "meter-revoked")
@dataclass(frozen=True, slots=True)
class MeterRevoked(Told):
    """No header counts from a seq on."""

    meter: Meter
    from_seq: int


@told("producer-certification", "certification-applied")
@dataclass(frozen=True, slots=True)
class CertificationApplied(Told):
    """A producer applied and paid the fee."""

    producer: Principal
    capacity: int
    source: str
    fee: int


@told("producer-certification", "producer-certified")
@dataclass(frozen=True, slots=True)
class ProducerCertified(Told):
    """A producer is certified."""

    producer: Principal
    capacity: int
    by: Principal


@told("producer-certification", "certification-revoked")
@dataclass(frozen=True, slots=True)
class CertificationRevoked(Told):
    """A certification or application is ended."""

    producer: Principal
    by: Principal
    reason: str


@told("producer-certification", "production-recorded")
@dataclass(frozen=True, slots=True)
class ProductionRecorded(Told):
    """Production was recorded."""

    producer: Principal
    energy: int
    start: int
    end: int


@told("producer-certification", "certifier-authorised")
@dataclass(frozen=True, slots=True)
class CertifierAuthorised(Told):
    """Somebody may certify."""

    who: Principal
    level: int


@told("producer-certification", "certifier-deauthorised")
@dataclass(frozen=True, slots=True)
class CertifierDeauthorised(Told):
    """Somebody certifies no more."""

    who: Principal


@told("producer-certification", "certification-fee")
@dataclass(frozen=True, slots=True)
class CertificationFee(Told):
    """The fee changed."""

    amount: int


@told("producer-certification", "minimum-production")
@dataclass(frozen=True, slots=True)
class MinimumProduction(Told):
    """The smallest capacity changed."""

    watts: int


@told("producer-certification", "maximum-production")
@dataclass(frozen=True, slots=True)
class MaximumProduction(Told):
    """The largest capacity changed."""

    watts: int


@told("producer-certification", "fees-withdrawn")
@dataclass(frozen=True, slots=True)
class FeesWithdrawn(Told):
    """Fees were paid out."""

    amount: int
    to: Principal


@told("roles", "role-granted")
@dataclass(frozen=True, slots=True)
class RoleGranted(Told):
    """Somebody has a role."""

    role: str
    who: Principal


@told("roles", "role-revoked")
@dataclass(frozen=True, slots=True)
class RoleRevoked(Told):
    """Somebody lost a role."""

    role: str
    who: Principal


@told("roles", "admin-offered")
@dataclass(frozen=True, slots=True)
class AdminOffered(Told):
    """The admin's place is offered."""

    who: Principal


@told("roles", "admin-changed")
@dataclass(frozen=True, slots=True)
class AdminChanged(Told):
    """The admin's place is taken."""

    who: Principal


@told("roles", "paused")
@dataclass(frozen=True, slots=True)
class Paused(Told):
    """A contract is paused."""

    room: Principal


@told("roles", "resumed")
@dataclass(frozen=True, slots=True)
class Resumed(Told):
    """A contract goes on."""

    room: Principal


@told("parameters", "parameter-set")
@dataclass(frozen=True, slots=True)
class ParameterSet(Told):
    """A parameter has a value from a time on."""

    name: str
    value: int
    start: int
    by: Principal


@told("audit-log", "audit-entry")
@dataclass(frozen=True, slots=True)
class AuditEntry(Told):
    """Entry `index` was added to the audit log; `subject` is a hash."""

    index: int
    writer: Principal
    actor: Principal
    action: str
    subject: Hash
    amount: int
    hash: Hash
