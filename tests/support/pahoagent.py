"""An agent's MQTT side for tests: a real paho client whose events can be awaited."""

import asyncio
import ssl
from collections.abc import Callable
from typing import Final, Self

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from meterseal_proto.topics import down_topic, up_topic

WAIT_S: Final = 60.0


class PahoAgent:
    """Publishes to its `up`, collects from its `down`; reconnects by itself.

    Lists grow in the order things happened: `downs` payloads, `acks` (message id,
    reason code), `subacks` codes, `connects` CONNACK codes, `losses` DISCONNECT codes.
    """

    def __init__(
        self,
        name: str,
        port: int,
        *,
        network: str = "street",
        version: MQTTProtocolVersion = MQTTProtocolVersion.MQTTv5,
        tls: ssl.SSLContext | None = None,
        clean: bool = False,
    ) -> None:
        self.name = name
        self.up = up_topic(network, name)
        self.down = down_topic(network, name)
        self.downs: list[bytes] = []
        self.acks: list[tuple[int, int]] = []
        self.subacks: list[int] = []
        self.connects: list[int] = []
        self.losses: list[int] = []
        self._changed = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._port = port
        self._version = version
        self._clean = clean
        five = version is MQTTProtocolVersion.MQTTv5
        client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=name,
            protocol=version,
            clean_session=None if five else clean,
        )
        client.username_pw_set(name)
        client.reconnect_delay_set(1, 1)
        client.max_inflight_messages_set(500)
        if tls is not None:
            client.tls_set_context(tls)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        self.client = client

    async def __aenter__(self) -> Self:
        """Connect and subscribe to `down`."""
        self.dial()
        await self.until(lambda: bool(self.subacks))
        return self

    async def __aexit__(self, *_: object) -> None:
        """Disconnect and end the thread."""
        self.client.disconnect()
        await asyncio.to_thread(self.client.loop_stop)

    def dial(self) -> None:
        """Begin to connect in the background."""
        properties = None
        if self._version is MQTTProtocolVersion.MQTTv5:
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            properties.SessionExpiryInterval = 3600
            self.client.connect_async(
                "127.0.0.1",
                self._port,
                30,
                clean_start=self._clean,
                properties=properties,
            )
        else:
            self.client.connect_async("127.0.0.1", self._port, 30)
        self.client.loop_start()

    def publish(self, payload: bytes, topic: str | None = None, qos: int = 1) -> int:
        """Send to `up`, or where the test says; return the message id."""
        return self.client.publish(topic or self.up, payload, qos).mid

    def subscribe(self, pattern: str) -> None:
        """Ask for a subscription; the answer is appended to `subacks`."""
        if self._version is MQTTProtocolVersion.MQTTv5:
            self.client.subscribe(pattern, options=SubscribeOptions(qos=1))
        else:
            self.client.subscribe(pattern, 1)

    async def until(self, happened: Callable[[], bool]) -> None:
        """Wait until `happened()`, looked at after each event."""
        async with asyncio.timeout(WAIT_S):
            while not happened():
                self._changed.clear()
                await self._changed.wait()

    def _tell(self, note: Callable[[], None]) -> None:
        """Note an event on the test's loop; paho's thread calls this."""

        def noted() -> None:
            note()
            self._changed.set()

        self._loop.call_soon_threadsafe(noted)

    # paho's own types for user data and flags are Any; nothing here looks into them.
    def _on_connect(
        self,
        client: paho.Client,
        _data: object,
        _flags: object,
        code: ReasonCode,
        _properties: object,
    ) -> None:
        if not code.is_failure:
            self.subscribe(self.down)
        self._tell(lambda: self.connects.append(code.value))

    def _on_disconnect(
        self,
        client: paho.Client,
        _data: object,
        _flags: object,
        code: ReasonCode,
        _properties: object,
    ) -> None:
        self._tell(lambda: self.losses.append(code.value))

    def _on_publish(
        self,
        client: paho.Client,
        _data: object,
        mid: int,
        code: ReasonCode,
        _properties: object,
    ) -> None:
        self._tell(lambda: self.acks.append((mid, code.value)))

    def _on_subscribe(
        self,
        client: paho.Client,
        _data: object,
        _mid: int,
        codes: list[ReasonCode],
        _properties: object,
    ) -> None:
        self._tell(lambda: self.subacks.extend(code.value for code in codes))

    def _on_message(
        self, client: paho.Client, _data: object, message: paho.MQTTMessage
    ) -> None:
        payload = bytes(message.payload)
        self._tell(lambda: self.downs.append(payload))
