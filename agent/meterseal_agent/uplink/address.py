"""Where the broker is and how to speak to it; plain values, so that nothing heavy loads.

It must never hold a key, only where one lies.
"""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from meterseal_proto.loopback import is_loopback


class Protocol(StrEnum):
    """The MQTT version spoken."""

    V5 = "5"
    V311 = "3.1.1"


@dataclass(frozen=True, slots=True)
class Tls:
    """Where the client's certificate, its key, and the broker's authority lie (PEM)."""

    certificate: Path
    key: Path
    ca: Path


@dataclass(frozen=True, slots=True)
class Address:
    """The broker to dial, and how; without `tls` only this machine: ValueError else."""

    host: str
    port: int
    tls: Tls | None = None
    protocol: Protocol = Protocol.V5

    def __post_init__(self) -> None:
        if self.tls is None and not is_loopback(self.host):
            raise ValueError(
                f"the broker {self.host} is not this machine and needs TLS: take tls ="
                " false out of [broker], or ask the aggregator's operator to turn TLS on"
            )
