"""The port between MQTT and intake: sealed messages in, receipts out.

Adapters (`endpoint`, `broker`) implement Uplink; intake gives a `Deliver`. Nothing
here touches a socket, and nothing behind the port may know which adapter it has.
"""

import ssl
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from meterseal_proto.loopback import is_loopback
from meterseal_proto.topics import Aside


class Incoming(NamedTuple):
    """One message of an agent; a tuple because one is made for every message.

    `agent` is who the transport says it is: the certificate's name, or on a plain
    loopback listener the client id; through a broker the topic's agent, which the
    broker's ACL vouches for. `payload` is unchecked and at most 64 KiB. `token` is
    the adapter's own note of what to acknowledge; nobody else looks into it.
    """

    agent: str
    payload: bytes
    token: object


@dataclass(frozen=True, slots=True)
class Reply:
    """A payload for one agent's `down` topic: a signed receipt, at most 64 KiB."""

    agent: str
    payload: bytes


class BesideMessage(NamedTuple):
    """What an agent tells beside its seals: telemetry, health, errands; unchecked."""

    agent: str
    kind: Aside
    payload: bytes


TakeBeside = Callable[[BesideMessage], bool]
"""Takes what is told beside, at once; False when there is no room for it now. It must
be quick: seals wait for it."""


def deaf(_told: BesideMessage) -> bool:
    """Take nothing that is told beside: for whoever wants seals only."""
    return False


Deliver = Callable[[Sequence[Incoming]], Awaitable[Sequence[Reply]]]


class Uplink(Protocol):
    """Where agents' messages come from and receipts go to.

    The contract of `run(deliver)`, which every adapter's suite holds it to:

    - Messages of all agents are collected into batches and each batch is given to
      `deliver` once at a time: the next batch waits until `deliver` has returned.
      Within a batch the messages of one agent stand in the order they arrived.
    - `deliver` returns after its COMMIT. Only then are the batch's messages
      acknowledged (PUBACK) and the replies published to the agents' `down` topics.
    - `deliver` raises Unavailable when it could not commit now: nothing of the batch
      is acknowledged, and the same batch is delivered again after a back-off with
      jitter. After the last attempt the connections it came from are closed, so that
      their owners, still without a PUBACK, send it all again later.
    - Any other exception of `deliver` is a bug: `run` closes everything without
      acknowledging and lets it fall.
    - Messages may come twice, also after their PUBACK; `deliver` must not mind.
    - A reply is sent at least once to an agent that is connected and reading, else
      it may be dropped and counted: the agent sends its seal again and is answered
      again. The signed receipt inside the reply is the acknowledgement, not PUBACK.
    - Memory is bounded: when intake is slower than the agents, sockets are not read.

    `run` returns only by being cancelled; what was not acknowledged then comes again
    to the next one that runs.
    """

    @property
    def counters(self) -> "Counters":
        """Counts since the adapter was made, for the metrics page."""
        ...

    async def run(self, deliver: Deliver) -> None:
        """Carry messages to `deliver` and its replies back until cancelled."""
        ...

    def tell(self, reply: Reply) -> bool:
        """Publish a message to one agent that has not asked; False when it is not there."""
        ...


@dataclass(slots=True)
class Counters:
    """What an adapter has seen: gauges first, the others only grow."""

    connections: int = 0
    """Agents connected (endpoint), or 1 while subscribed at the broker."""
    queued: int = 0
    """Messages received and not yet given to `deliver`."""
    connected_total: int = 0
    refused_total: int = 0
    """Connections turned away: limits, handshake, CONNECT or their broken bytes."""
    received_total: int = 0
    """Messages taken for delivery."""
    foreign_total: int = 0
    """Messages not taken: another's topic, QoS 0, or too large."""
    batches_total: int = 0
    unavailable_total: int = 0
    """Deliveries that raised Unavailable."""
    abandoned_total: int = 0
    """Messages left unacknowledged after the last attempt."""
    acknowledged_total: int = 0
    replies_total: int = 0
    """Replies handed to a connection."""
    told_total: int = 0
    """Messages beside the seals - telemetry, health, errands - that were taken."""
    told_refused_total: int = 0
    """The same for which there was no room."""
    replies_dropped_total: int = 0
    """Replies dropped: the agent was gone, or did not read."""


def check_wire_is_safe(host: str, tls: ssl.SSLContext | None) -> None:
    """Raise ValueError for a plain connection off loopback (SECURITY.md)."""
    if tls is None and not is_loopback(host):
        raise ValueError(
            f"MQTT to or on {host} needs TLS; plain is for 127.0.0.1, ::1 and localhost"
        )
