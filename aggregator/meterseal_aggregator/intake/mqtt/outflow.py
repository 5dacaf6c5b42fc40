"""QoS 1 publishing with a window: packet ids, flow control, a bounded queue.

Used towards one agent by the endpoint and towards the broker. It must never exceed
the peer's Receive Maximum (MQTT 5, 4.9) nor grow without bound; when full it drops
the oldest waiting message and counts it: agents ask again for what they miss.
"""

from collections import deque
from collections.abc import Callable

import mqtt5

from meterseal_aggregator.intake.port import Counters
from meterseal_proto.topics import MAX_MESSAGE_BYTES

_IDS = 65_535


class Outflow:
    """Messages on their way to one peer; it makes bytes and touches no socket.

    `window` is how many may be unacknowledged (at least 1), `queued` how many may
    wait, `largest` the peer's Maximum Packet Size in bytes.
    """

    __slots__ = (
        "_counters",
        "_last_id",
        "_queued",
        "_sent",
        "_waiting",
        "largest",
        "window",
    )

    def __init__(
        self, counters: Counters, *, window: int, queued: int, largest: int
    ) -> None:
        self.window = window
        self.largest = largest
        self._counters = counters
        self._queued = queued
        self._waiting: deque[tuple[str, bytes]] = deque()
        self._sent: dict[int, tuple[str, bytes]] = {}
        self._last_id = 0

    def __len__(self) -> int:
        """Messages waiting or unacknowledged."""
        return len(self._waiting) + len(self._sent)

    def offer(self, topic: str, payload: bytes) -> None:
        """Queue a message, dropping the oldest waiting one when the queue is full.

        A payload over the protocol's limit is dropped here: Mosquitto answers one
        with a code that is no PUBACK's, and a resumed session would repeat it for ever.
        """
        if len(payload) > MAX_MESSAGE_BYTES:
            self._counters.replies_dropped_total += 1
            return
        if len(self._waiting) >= self._queued:
            self._waiting.popleft()
            self._counters.replies_dropped_total += 1
        self._waiting.append((topic, payload))

    def ready(self, has_room: Callable[[], bool]) -> list[bytes]:
        """Return the packets that may be sent now, while the peer has room for them."""
        packets: list[bytes] = []
        while self._waiting and len(self._sent) < self.window and has_room():
            topic, payload = self._waiting.popleft()
            packet = _publish(topic, payload, self._next_id(), duplicate=False)
            if len(packet) > self.largest:
                self._counters.replies_dropped_total += 1
                continue
            self._sent[self._last_id] = (topic, payload)
            packets.append(packet)
        return packets

    def acknowledge(self, packet_id: int) -> None:
        """Note a PUBACK; one for an unknown id is harmless and ignored."""
        self._sent.pop(packet_id, None)

    def forget(self) -> None:
        """Give up what is unacknowledged: it may be what broke the connection."""
        self._counters.replies_dropped_total += len(self._sent)
        self._sent.clear()

    def resume(self, *, session_present: bool) -> list[bytes]:
        """Return what a new connection must send first (MQTT 5, 4.4).

        With the session present that is every unacknowledged message, same id and
        marked as duplicate; without it they wait again and get new ids.
        """
        if session_present:
            return [
                _publish(topic, payload, packet_id, duplicate=True)
                for packet_id, (topic, payload) in self._sent.items()
            ]
        self._waiting.extendleft(reversed(self._sent.values()))
        self._sent.clear()
        return []

    def _next_id(self) -> int:
        """Return a free packet id; the window is always smaller than the id space."""
        while True:
            self._last_id = self._last_id % _IDS + 1
            if self._last_id not in self._sent:
                return self._last_id


def _publish(topic: str, payload: bytes, packet_id: int, *, duplicate: bool) -> bytes:
    return mqtt5.PublishPacket(
        topic,
        payload,
        qos=mqtt5.QoS.AT_LEAST_ONCE,
        packet_id=packet_id,
        duplicate=duplicate,
    ).write()
