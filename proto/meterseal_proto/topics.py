"""MQTT topics, quality of service and size limits: the shape of the pipe.

One agent has five topics - seals `up`, signed answers `down`, and beside the books its
telemetry `tel`, its `health` and what is `private` (mask seeds, bills on hidden usage) -
so one ACL pattern on its certificate's name fences it.
Names stay within `[A-Za-z0-9_-]`: some brokers rewrite dots, and `+ # /` are MQTT's.
This module must never learn what a payload means.
"""

import re
from dataclasses import dataclass
from typing import Final, Literal

MAX_MESSAGE_BYTES: Final = 65_536
"""A seal of 100 intervals takes 5 KiB; sixteen times that is room, not an invitation."""
QOS: Final = 1
"""At least once: receipts, not QoS 2, make a reading count once."""
MAX_NAME: Final = 64

_NAME = re.compile(rf"[A-Za-z0-9_-]{{1,{MAX_NAME}}}")
_PREFIX: Final = "meterseal/1"

Direction = Literal["up", "down", "tel", "health", "private"]
Aside = Literal["tel", "health", "private"]
"""What an agent tells beside its seals; none of it is receipted."""
ASIDES: Final[tuple[Aside, ...]] = ("tel", "health", "private")
_DIRECTIONS: Final[dict[str, Direction]] = {
    "up": "up",
    "down": "down",
    "tel": "tel",
    "health": "health",
    "private": "private",
}


@dataclass(frozen=True, slots=True)
class Topic:
    """Whose topic it is and what runs on it."""

    network: str
    agent: str
    direction: Direction

    def __str__(self) -> str:
        """Return the MQTT topic name."""
        return f"{_PREFIX}/{check_name(self.network)}/{check_name(self.agent)}/{self.direction}"


def check_name(name: str) -> str:
    """Return `name` when it may stand in a topic, else raise ValueError."""
    if _NAME.fullmatch(name) is None:
        raise ValueError(
            f"{name!r}: names in topics are 1 to {MAX_NAME} of A-Z a-z 0-9 _ -"
        )
    return name


def up_topic(network: str, agent: str) -> str:
    """Return the topic an agent publishes its seals to."""
    return str(Topic(network, agent, "up"))


def down_topic(network: str, agent: str) -> str:
    """Return the topic an agent receives receipts on."""
    return str(Topic(network, agent, "down"))


def aside_topic(network: str, agent: str, aside: Aside) -> str:
    """Return the topic an agent publishes what goes beside its seals to."""
    return str(Topic(network, agent, aside))


def up_filter(network: str) -> str:
    """Return the subscription an aggregator holds: every agent's `up` of one network."""
    return f"{_PREFIX}/{check_name(network)}/+/up"


def aside_filter(network: str, aside: Aside) -> str:
    """Return the subscription to one aside of every agent of one network."""
    return f"{_PREFIX}/{check_name(network)}/+/{aside}"


def parse_topic(text: str) -> Topic | None:
    """Return the topic's parts, or None when it is not one of ours."""
    parts = text.split("/")
    if len(parts) != 5 or "/".join(parts[:2]) != _PREFIX:
        return None
    network, agent, direction = parts[2:]
    if not (_NAME.fullmatch(network) and _NAME.fullmatch(agent)):
        return None
    known = _DIRECTIONS.get(direction)
    return None if known is None else Topic(network, agent, known)
