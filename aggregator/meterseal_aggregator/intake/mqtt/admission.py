"""Who may knock: rate and number of connections before anybody has said a name.

Pure; the time is an argument, in seconds of any steady clock. It must never let
strangers take the places of agents: the unnamed are few, and fewer from one address.
"""

from collections import Counter
from dataclasses import dataclass

from cryptography import x509
from cryptography.x509.oid import NameOID


@dataclass(frozen=True, slots=True)
class DoorLimits:
    """How many connections there may be, how fast they come and how long they idle."""

    connections: int = 4096
    """All of them; a village has dozens, and each costs a descriptor and a buffer."""
    unnamed: int = 256
    """Connections still in TLS or before CONNECT."""
    unnamed_from_one: int = 128
    """Of those from one address: a village may share one, a flood usually does."""
    rate_per_s: float = 200.0
    """New connections a second; a TLS handshake costs 2 ms of a core."""
    burst: float = 400.0
    """New connections at once after a quiet time: everybody returns after an outage."""
    unnamed_s: float = 10.0
    """From accept to CONNECT, TLS included."""
    stall_s: float = 20.0
    """How long a peer may leave what we send unread before it is cut off."""


class Door:
    """Counts who is inside and unnamed, and paces arrivals with a token bucket."""

    def __init__(self, limits: DoorLimits) -> None:
        self._limits = limits
        self._tokens = limits.burst
        self._filled_at = 0.0
        self._unnamed: Counter[str] = Counter()
        self._inside = 0

    def wait_s(self, now: float) -> float:
        """Return how long to wait before accepting the next connection, or 0."""
        limits = self._limits
        grown = (now - self._filled_at) * limits.rate_per_s
        self._tokens = min(limits.burst, self._tokens + grown)
        self._filled_at = now
        return max(0.0, (1.0 - self._tokens) / limits.rate_per_s)

    def enter(self, address: str) -> bool:
        """Take one arrival; False when it must be turned away at once."""
        limits = self._limits
        self._tokens -= 1.0
        if (
            self._inside >= limits.connections
            or self._unnamed.total() >= limits.unnamed
            or self._unnamed[address] >= limits.unnamed_from_one
        ):
            return False
        self._inside += 1
        self._unnamed[address] += 1
        return True

    def named(self, address: str) -> None:
        """Note that one arrival from `address` has said who it is."""
        self._unnamed[address] -= 1
        if not self._unnamed[address]:
            del self._unnamed[address]

    def leave(self, address: str, *, named: bool) -> None:
        """Note that a connection has ended, named or not."""
        if not named:
            self.named(address)
        self._inside -= 1


def certificate_name(certificate: bytes | None) -> str:
    """Return the one common name of a verified certificate (DER), else ''."""
    if certificate is None:
        return ""
    subject = x509.load_der_x509_certificate(certificate).subject
    names = subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value) if len(names) == 1 else ""
