"""Ports for servers that must be told their port beforehand."""

import random
import socket

FIRST, LAST = 20_000, 32_000
"""Below what Linux hands out to whoever asks for any port (32768 and up), so that no other
test's client is given one before the server listens."""
_CHANCE = random.SystemRandom()


def free_port() -> int:
    """Return a port that was free on 127.0.0.1 a moment ago."""
    return free_ports(1)


def free_ports(count: int) -> int:
    """Return the first of `count` consecutive ports that were free a moment ago."""
    while True:
        first = _CHANCE.randrange(FIRST, LAST - count)
        if all(map(_is_free, range(first, first + count))):
            return first


def _is_free(port: int) -> bool:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True
