"""Users, and meters with the keys that speak for them: calls of `user-registry`.

Profiles are hashes, meters 16 bytes, keys 33 (`p256`: of NIST P-256 instead of
secp256k1), sequence numbers below 2^62. Nothing moves. This module must never be given
a name or an address of anybody: what a call carries is public for ever.
"""

from meterseal_aggregator.stacks.calls import arguments
from meterseal_aggregator.stacks.calls.deployment import Call, Deployment
from meterseal_proto.c32 import Principal
from meterseal_proto.clarity import Bool, UInt


def set_network(at: Deployment, network: bytes) -> Call:
    """Fix the network's id, the hash of its genesis document, once.

    By the admin of roles. Errors: u100, u111, u113.
    """
    return at.call("user-registry.set-network", {"id": arguments.digest(network)})


def register_producer(at: Deployment, profile: bytes) -> Call:
    """Register the caller as a producer.

    `profile` is the hash of a salted profile kept elsewhere. By anybody, once. Errors:
    u101, u102, u113.
    """
    return at.call(
        "user-registry.register-producer", {"profile": arguments.digest(profile)}
    )


def register_consumer(at: Deployment, profile: bytes) -> Call:
    """Register the caller as a consumer.

    `profile` is the hash of a salted profile kept elsewhere. By anybody, once. Errors:
    u101, u102, u113.
    """
    return at.call(
        "user-registry.register-consumer", {"profile": arguments.digest(profile)}
    )


def register_provider(at: Deployment, profile: bytes) -> Call:
    """Register the caller as a provider.

    `profile` is the hash of a salted profile kept elsewhere. By anybody, once. Errors:
    u101, u102, u113.
    """
    return at.call(
        "user-registry.register-provider", {"profile": arguments.digest(profile)}
    )


def set_profile(at: Deployment, profile: bytes) -> Call:
    """Replace the caller's profile hash; what was verified has to be verified again.

    By the user. Errors: u101, u103, u113.
    """
    return at.call("user-registry.set-profile", {"profile": arguments.digest(profile)})


def verify_user(at: Deployment, who: Principal, *, verified: bool) -> Call:
    """Say whether `who` was verified.

    By the role "registrar". Errors: u100, u103.
    """
    return at.call(
        "user-registry.verify-user", {"who": who, "verified": Bool(verified)}
    )


def request_meter(
    at: Deployment, meter: bytes, key: bytes, from_seq: int, *, p256: bool
) -> Call:
    """Ask for a binding of `meter` to the caller.

    By a registered user. Errors: u101, u103, u106, u109, u113.
    """
    return at.call(
        "user-registry.request-meter",
        {
            "meter": arguments.meter_id(meter),
            "key": arguments.public_key(key),
            "p256": Bool(p256),
            "from-seq": UInt(from_seq),
        },
    )


def bind_meter(
    at: Deployment, meter: bytes, owner: Principal, signature: bytes
) -> Call:
    """Bind `meter` to `owner` and the key he asked for.

    `signature` is the seal key's over {meter, network, owner, valid-from} (SIP-018). By
    the role "registrar". Errors: u100, u101, u106 to u108, u111, u112.
    """
    return at.call(
        "user-registry.bind-meter",
        {
            "meter": arguments.meter_id(meter),
            "owner": owner,
            "signature": arguments.recoverable(signature),
        },
    )


def rotate_meter_key(
    at: Deployment,
    meter: bytes,
    key: bytes,
    from_seq: int,
    signatures: tuple[bytes, bytes],
    *,
    p256: bool,
) -> Call:
    """Give the meter a new key from `from_seq` on.

    `signatures` are the old and the new key's over {key, meter, network, valid-from}
    (SIP-018). By the owner or the role "registrar", also while paused. Errors: u100,
    u105, u108 to u110, u113.
    """
    old, new = signatures
    return at.call(
        "user-registry.rotate-meter-key",
        {
            "meter": arguments.meter_id(meter),
            "key": arguments.public_key(key),
            "p256": Bool(p256),
            "from-seq": UInt(from_seq),
            "old-signature": arguments.recoverable(old),
            "new-signature": arguments.recoverable(new),
        },
    )


def request_new_key(
    at: Deployment, meter: bytes, key: bytes, from_seq: int, *, p256: bool
) -> Call:
    """Ask for a new key when the old one is lost.

    Nothing changes until replace-meter-key. By the owner, also while paused. Errors:
    u100, u105, u109, u113.
    """
    return at.call(
        "user-registry.request-new-key",
        {
            "meter": arguments.meter_id(meter),
            "key": arguments.public_key(key),
            "p256": Bool(p256),
            "from-seq": UInt(from_seq),
        },
    )


def replace_meter_key(at: Deployment, meter: bytes, new_signature: bytes) -> Call:
    """Give the meter the key its owner asked for.

    Without the lost one; the new key signs {key, meter, network, valid-from}. Nothing
    is minted to the owner before `mints-from`, 72 hours on. By the role "registrar",
    also while paused. Errors: u100, u105, u107 to u109.
    """
    return at.call(
        "user-registry.replace-meter-key",
        {
            "meter": arguments.meter_id(meter),
            "new-signature": arguments.recoverable(new_signature),
        },
    )


def revoke_meter(at: Deployment, meter: bytes, anchored: int, from_seq: int) -> Call:
    """Let no header of `meter` count from `from_seq` on.

    It must lie after `anchored`, the last seq the caller saw anchored; and whatever
    that was, what was anchored before now stands (get-key-as-of). By the owner or the
    role "registrar", also while paused. Errors: u100, u105, u109, u110.
    """
    return at.call(
        "user-registry.revoke-meter",
        {
            "meter": arguments.meter_id(meter),
            "anchored": UInt(anchored),
            "from-seq": UInt(from_seq),
        },
    )
