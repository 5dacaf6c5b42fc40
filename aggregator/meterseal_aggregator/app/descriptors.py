"""How many files and connections this process may have open, and who gets how many.

A soft limit of 1,024 is for programs that use select(2); we raise it to the hard one.
Agents and strangers share what there is: strangers must never take the agents' share,
nor either of them what the database needs.
"""

import resource
from dataclasses import dataclass
from typing import Final

from meterseal_aggregator.app.webserver import WebBounds
from meterseal_aggregator.intake.mqtt.admission import DoorLimits

RESERVE: Final = 64
"""For the database's connections, the log, key files and the event loop: some 30."""
ENOUGH: Final = 1 << 16
"""More than we ever use; a hard limit may be a billion, which other programs choke on."""


@dataclass(frozen=True, slots=True)
class Shares:
    """How many connections each door may let in."""

    web: int
    agents: int


def raise_limit() -> int:
    """Raise the soft limit of descriptors as far as allowed; returns what it is now."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wished = ENOUGH if hard == resource.RLIM_INFINITY else min(hard, ENOUGH)
    if soft != resource.RLIM_INFINITY and soft < wished:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wished, hard))
        return wished
    return ENOUGH if soft == resource.RLIM_INFINITY else soft


def share(descriptors: int) -> Shares:
    """Divide descriptors: strangers a quarter at most, agents what is left."""
    free = max(2, descriptors - RESERVE)
    web = min(WebBounds().connections, max(1, free // 4))
    return Shares(web, min(DoorLimits().connections, free - web))
