"""The aggregator's own MQTT 5 endpoint: the embedded default, one process, no broker.

It does what an agent needs - connect, publish QoS 1 to its own `up` and beside it,
subscribe to its own `down`, ping - and is no general broker. It must never listen in plain off
loopback, acknowledge before the commit, or keep a session beyond its connection: an
agent that missed a receipt sends its seal again and gets the receipt again.
"""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import mqtt5
import structlog
from structlog.typing import FilteringBoundLogger

from meterseal_aggregator.intake.mqtt.admission import Door, DoorLimits
from meterseal_aggregator.intake.mqtt.batching import Batching, BatchLimits
from meterseal_aggregator.intake.mqtt.connection import Connection, Home
from meterseal_aggregator.intake.port import (
    Counters,
    Deliver,
    Incoming,
    Reply,
    TakeBeside,
    check_wire_is_safe,
    deaf,
)
from meterseal_proto.topics import check_name

BACKLOG: Final = 1024
"""Connections the kernel may keep for us while arrivals are paced."""
SWEEP_S: Final = 1.0
"""How often late peers are looked for; it bounds how much later they may be."""
ACCEPT_PAUSE_S: Final = 1.0
"""Pause when the system has no descriptor left for a new connection."""

_log: FilteringBoundLogger = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class EndpointSettings:
    """Where the endpoint listens and for which network.

    `port` 0 takes a free one. `tls` must require client certificates, whose common
    name is the agent; without it `host` must be loopback and the client id is.
    """

    network: str
    host: str = "127.0.0.1"
    port: int = 1883
    tls: ssl.SSLContext | None = None
    batch: BatchLimits = field(default_factory=BatchLimits)
    door: DoorLimits = field(default_factory=DoorLimits)

    def __post_init__(self) -> None:
        """Refuse settings that would let anybody be any agent."""
        check_name(self.network)
        check_wire_is_safe(self.host, self.tls)
        if self.tls is not None and self.tls.verify_mode is not ssl.CERT_REQUIRED:
            raise ValueError("the endpoint's TLS must require a client certificate")


class Endpoint:
    """An Uplink that agents connect to directly.

    endpoint = Endpoint(EndpointSettings("street", port=0))
    endpoint.listen()            # raises OSError when the port is taken
    await endpoint.run(deliver)  # until cancelled
    """

    def __init__(self, settings: EndpointSettings, told: TakeBeside = deaf) -> None:
        self._settings = settings
        self._counters = Counters()
        self._batching = Batching(settings.batch, self, self._counters)
        self._door = Door(settings.door)
        self._listener: socket.socket | None = None
        self._connections: set[Connection] = set()
        self._agents: dict[str, Connection] = {}
        self._arriving: set[asyncio.Task[None]] = set()
        self._home = Home(
            settings.network,
            self._counters,
            settings.door.stall_s,
            opened=self._opened,
            received=self._batching.put,
            lost=self._lost,
            told=told,
        )

    @property
    def counters(self) -> Counters:
        """Counts since the endpoint was made."""
        return self._counters

    @property
    def port(self) -> int:
        """The port it listens on; listen() comes first."""
        assert self._listener is not None
        port: int = self._listener.getsockname()[1]
        return port

    def listen(self) -> None:
        """Take the port, so that a taken one is known before anything else starts."""
        host, port = self._settings.host, self._settings.port
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server((host, port), family=family, backlog=BACKLOG)
        listener.settimeout(0)
        self._listener = listener

    async def run(self, deliver: Deliver) -> None:
        """Serve agents until cancelled; see Uplink for the contract."""
        if self._listener is None:
            self.listen()
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._batching.run(deliver))
                tasks.create_task(self._accept())
                tasks.create_task(self._sweep())
        finally:
            self._shut()

    def hold(self) -> None:
        """Stop reading from every agent: intake is behind."""
        for connection in self._agents.values():
            connection.hold(held=True)

    def release(self) -> None:
        """Read again from every agent."""
        for connection in self._agents.values():
            connection.hold(held=False)

    def settle(self, batch: Sequence[Incoming], replies: Sequence[Reply]) -> None:
        """Acknowledge a committed batch and send its replies to who is still here."""
        done: dict[Connection, tuple[list[int], list[bytes]]] = {}
        for connection, packet_id in map(_token, batch):
            done.setdefault(connection, ([], []))[0].append(packet_id)
        for reply in replies:
            current = self._agents.get(reply.agent)
            if current is None:
                self._counters.replies_dropped_total += 1
            else:
                done.setdefault(current, ([], []))[1].append(reply.payload)
        for connection, (packet_ids, payloads) in done.items():
            connection.settle(packet_ids, payloads)

    def abandon(self, batch: Sequence[Incoming]) -> None:
        """Close the connections of a batch that could not be committed."""
        busy = mqtt5.DisconnectReasonCode.SERVER_BUSY
        for connection in {_token(message)[0] for message in batch}:
            connection.end(busy, "intake is unavailable")

    def tell(self, reply: Reply) -> bool:
        """Publish to one agent, if it is connected; see Uplink."""
        connection = self._agents.get(reply.agent)
        return connection is not None and connection.tell(reply.payload)

    async def _accept(self) -> None:
        """Accept connections at a bounded rate; the kernel keeps those that wait."""
        assert self._listener is not None
        loop = asyncio.get_running_loop()
        while True:
            wait_s = self._door.wait_s(loop.time())
            if wait_s > 0:
                await asyncio.sleep(wait_s)
            try:
                arrived, name = await loop.sock_accept(self._listener)
            except OSError as trouble:
                _log.error("connection_not_accepted", why=str(trouble))
                await asyncio.sleep(ACCEPT_PAUSE_S)
                continue
            address = str(name[0])
            if not self._door.enter(address):
                self._counters.refused_total += 1
                arrived.close()
                continue
            task = loop.create_task(self._welcome(arrived, address))
            self._arriving.add(task)
            task.add_done_callback(self._arriving.discard)

    async def _welcome(self, arrived: socket.socket, address: str) -> None:
        """Do the TLS handshake, if any; the connection then lives by its own."""
        loop = asyncio.get_running_loop()
        tls, unnamed_s = self._settings.tls, self._settings.door.unnamed_s
        until = loop.time() + unnamed_s
        connection = Connection(self._home, address=address, until=until)
        self._connections.add(connection)
        try:
            await loop.connect_accepted_socket(
                lambda: connection,
                arrived,
                ssl=tls,
                ssl_handshake_timeout=unnamed_s if tls else None,
            )
        except (OSError, TimeoutError) as trouble:
            self._counters.refused_total += 1
            _log.info("handshake_failed", address=address, why=str(trouble))
        finally:
            if connection.transport is None:
                self._lost(connection)
                arrived.close()

    async def _sweep(self) -> None:
        """Cut off peers that are late, once a second."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(SWEEP_S)
            now = loop.time()
            for connection in list(self._connections):
                connection.check(now)

    def _opened(self, connection: Connection) -> None:
        """Let an agent in; an older connection of its name is taken over (3.1.4)."""
        older = self._agents.get(connection.agent)
        if older is not None:
            taken = mqtt5.DisconnectReasonCode.SESSION_TAKEN_OVER
            older.end(taken, "taken over by a newer connection")
        self._agents[connection.agent] = connection
        if self._batching.holding:
            connection.hold(held=True)
        self._door.named(connection.address)
        self._counters.connected_total += 1
        self._counters.connections = len(self._agents)

    def _lost(self, connection: Connection) -> None:
        """Forget a connection that has ended; harmless when told twice."""
        if connection not in self._connections:
            return
        self._connections.remove(connection)
        self._door.leave(connection.address, named=bool(connection.agent))
        if self._agents.get(connection.agent) is connection:
            del self._agents[connection.agent]
            self._counters.connections = len(self._agents)
        _log.info("agent_left", agent=connection.agent or None, why=connection.why)

    def _shut(self) -> None:
        """Close everything; what is not acknowledged comes again."""
        for task in self._arriving:
            task.cancel()
        for connection in list(self._connections):
            leaving = mqtt5.DisconnectReasonCode.SERVER_SHUTTING_DOWN
            connection.end(leaving, "shutting down")
        if self._listener is not None:
            with contextlib.suppress(OSError):
                self._listener.close()
            self._listener = None


def _token(message: Incoming) -> tuple[Connection, int]:
    """Return what the connection noted on its message."""
    token = message.token
    assert isinstance(token, tuple)
    return token
