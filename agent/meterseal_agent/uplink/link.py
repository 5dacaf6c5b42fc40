"""One MQTT connection, from dialling to loss, through paho-mqtt.

The thread boundary of the agent: paho's own thread runs every callback here, and each
of them only hands bytes to the asyncio loop. A Link is used once; after a loss a new
one is made, so no message of an old connection is ever sent by a new one behind our
back. This is the only module that knows paho. It must never block the loop.
"""

import asyncio
import contextlib
import ssl
from collections.abc import Callable
from functools import partial
from threading import Thread
from typing import Any, Final, TypeVar

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from meterseal_agent.uplink.address import Address, Protocol, Tls
from meterseal_proto.errors import Unavailable
from meterseal_proto.topics import (
    ASIDES,
    MAX_MESSAGE_BYTES,
    QOS,
    Aside,
    aside_topic,
    down_topic,
    up_topic,
)

CONNECT_S: Final = 10.0
"""Dialling, TLS and CONNACK; a slow mobile link needs three."""
CLOSE_S: Final = 1.0
"""paho's thread ends at once unless the network hangs; then it is left to end alone."""
KEEPALIVE_S: Final = 30
"""A dead path is noticed within a minute; NATs forget idle connections after five."""
MAX_DOWN: Final = 1000
"""Messages from the aggregator waiting for us; more are dropped, receipts come again."""

_T = TypeVar("_T")


class Link:
    """One connection of `agent` in network `network` (topic names).

        link = Link(address, network="street", agent="a1")
        await link.open()
        link.publish(payload)
        while (payload := await link.received()) is not None: ...
        await link.close()

    Every method belongs to the asyncio loop's thread.
    """

    def __init__(self, address: Address, *, network: str, agent: str) -> None:
        self._address = address
        self._up = up_topic(network, agent)
        self._down = down_topic(network, agent)
        self._asides: dict[Aside, str] = {
            aside: aside_topic(network, agent, aside) for aside in ASIDES
        }
        self._loop = asyncio.get_running_loop()
        self._ready: asyncio.Future[None] = self._loop.create_future()
        self._inbox: asyncio.Queue[bytes | None] = asyncio.Queue(MAX_DOWN)
        self._posts: dict[int, asyncio.Future[bool]] = {}
        self._alive = False
        self.dropped = 0
        self._client = self._make_client(agent)

    async def open(self) -> None:
        """Connect and subscribe to `down`; Unavailable says why it did not work."""
        client, address = self._client, self._address
        try:
            async with asyncio.timeout(CONNECT_S):
                if address.tls is not None:
                    context = await _aside(_context, address.tls)
                    client.tls_set_context(context)
                await _aside(self._dial)
                client.loop_start()
                await self._ready
        except (OSError, TimeoutError, ValueError) as error:
            await self.close()
            where = f"{address.host}:{address.port}"
            why = str(error) or f"no answer in {CONNECT_S:g} s"
            raise Unavailable(f"broker {where}: {why}") from error
        except BaseException:
            await self.close()
            raise

    def publish(self, payload: bytes) -> None:
        """Send one message up, QoS 1; Unavailable when the connection is gone."""
        info = self._client.publish(self._up, payload, qos=QOS)
        if info.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            raise Unavailable(f"publishing failed: {info.rc.name}")

    async def post(self, aside: Aside, payload: bytes) -> bool:
        """Send one message beside, and wait until it is taken; False when it is refused.

        Unavailable when the connection is gone, or goes before the answer.
        """
        info = self._client.publish(self._asides[aside], payload, qos=QOS)
        if info.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            raise Unavailable(f"publishing failed: {info.rc.name}")
        # The answer comes through the loop, so it cannot come before this.
        answer: asyncio.Future[bool] = self._loop.create_future()
        self._posts[info.mid] = answer
        try:
            return await answer
        finally:
            self._posts.pop(info.mid, None)

    async def received(self) -> bytes | None:
        """Return the next message from `down`, or None once the connection is lost."""
        if not self._alive and self._inbox.empty():
            return None
        return await self._inbox.get()

    async def close(self) -> None:
        """Disconnect and end paho's thread."""
        self._alive = False
        self._client.disconnect()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_S):
                await _aside(self._client.loop_stop)

    def _make_client(self, agent: str) -> Client:
        version = MQTTProtocolVersion.MQTTv5
        clean: bool | None = None
        if self._address.protocol is Protocol.V311:
            version, clean = MQTTProtocolVersion.MQTTv311, True
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=agent,
            clean_session=clean,
            protocol=version,
            reconnect_on_failure=False,
        )
        # A broker without TLS knows us by this name only; with TLS the certificate counts.
        client.username_pw_set(agent)
        client.connect_timeout = CONNECT_S
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        client.on_publish = self._on_publish
        client.on_disconnect = self._on_disconnect
        return client

    def _dial(self) -> None:
        client, address = self._client, self._address
        if address.protocol is Protocol.V311:
            client.connect(address.host, address.port, KEEPALIVE_S)
            return
        limits = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        limits.MaximumPacketSize = 2 * MAX_MESSAGE_BYTES
        client.connect(
            address.host,
            address.port,
            KEEPALIVE_S,
            clean_start=True,
            properties=limits,
        )

    def _tell(self, call: Callable[..., None], *args: object) -> None:
        """Run `call` on the loop; a loop that has closed no longer wants to know."""
        try:
            self._loop.call_soon_threadsafe(call, *args)
        except RuntimeError:
            return

    # paho's callbacks, in paho's thread. Any: paho leaves userdata and flags untyped.

    def _on_connect(
        self,
        client: Client,
        _data: Any,
        _flags: Any,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        if reason.is_failure:
            self._tell(self._fail, f"refused: {reason}")
        else:
            client.subscribe(self._down, qos=QOS)

    def _on_subscribe(
        self,
        _client: Client,
        _data: Any,
        _mid: int,
        reasons: list[ReasonCode],
        _properties: Properties | None,
    ) -> None:
        if any(reason.is_failure for reason in reasons):
            self._tell(self._fail, f"may not subscribe to {self._down}: {reasons[0]}")
        else:
            self._tell(self._opened)

    def _on_message(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        self._tell(self._take, bytes(message.payload))

    def _on_publish(
        self,
        _client: Client,
        _data: Any,
        mid: int,
        reason: ReasonCode,
        _properties: Properties,
    ) -> None:
        self._tell(self._answered, mid, not reason.is_failure)

    def _on_disconnect(
        self,
        _client: Client,
        _data: Any,
        _flags: Any,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        self._tell(self._lost, str(reason))

    # The same, on the loop.

    def _opened(self) -> None:
        self._alive = True
        if not self._ready.done():
            self._ready.set_result(None)

    def _fail(self, why: str) -> None:
        if not self._ready.done():
            self._ready.set_exception(ConnectionRefusedError(why))

    def _answered(self, mid: int, taken: bool) -> None:  # noqa: FBT001 - a callback's
        answer = self._posts.get(mid)
        if answer is not None and not answer.done():
            answer.set_result(taken)

    def _lost(self, why: str) -> None:
        self._fail(f"connection lost: {why}")
        self._alive = False
        for answer in self._posts.values():
            if not answer.done():
                answer.set_exception(Unavailable(f"connection lost: {why}"))
        self._take(None)

    def _take(self, payload: bytes | None) -> None:
        if self._inbox.full():
            self.dropped += 1
            if payload is not None:
                return
            self._inbox.get_nowait()
        self._inbox.put_nowait(payload)


async def _aside(call: Callable[..., _T], *args: object) -> _T:
    """Run a blocking call in a thread that never keeps the program from ending."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[_T] = loop.create_future()

    def finish(outcome: Callable[[], None]) -> None:
        if not future.done():
            outcome()

    def work() -> None:
        try:
            result = call(*args)
        except Exception as error:  # it goes to the task that waits for the call
            outcome = partial(future.set_exception, error)
        else:
            outcome = partial(future.set_result, result)
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(finish, outcome)

    Thread(target=work, name="meterseal-link", daemon=True).start()
    return await future


def _context(tls: Tls) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=str(tls.ca))
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(str(tls.certificate), str(tls.key))
    context.sslsocket_class = _TidySocket
    return context


class _TidySocket(ssl.SSLSocket):
    """A TLS socket that closes when its handshake fails: paho would leave it open."""

    def do_handshake(self, block: bool = False) -> None:  # noqa: FBT001, FBT002 - ssl's own
        """Shake hands, or close."""
        try:
            super().do_handshake(block)
        except BaseException:
            self.close()
            raise
