"""Who may come in: the PIN, the waits between tries, and who is inside.

    opened = door.knock(pin, device)     # in the page's own thread: slow, and writes a try
    door.inside(token)                   # in the loop: who holds this cookie may read

A try is on disk before the PIN is looked at, so cutting the power buys nothing. Sessions
live in memory: a restart ends them, and so does a new PIN. This module must never log a
PIN or a token, nor keep a token in the open.
"""

import hashlib
import logging
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from meterseal_agent.keystore import Paths, read_small, write_over
from meterseal_agent.resident.guard import Guard
from meterseal_agent.resident.pin import is_pin

SESSION_S: Final = 7 * 86_400
"""A phone in the kitchen is asked for the PIN once a week."""
MAX_SESSIONS: Final = 32
"""More than a family has browsers; of more, the oldest ends."""
TOKEN_BYTES: Final = 32
MAX_PIN_CHARACTERS: Final = 32

_log = logging.getLogger("meterseal.resident")


@dataclass(frozen=True, slots=True)
class Opened:
    """What a knock led to: a `token` for who is in, else whole seconds to `wait`, or 0.

    `tried` tells whether the PIN was looked at.
    """

    token: str = ""
    wait: int = 0
    tried: bool = True


class Door:
    """The page's door; `now` tells UTC Unix seconds, `steady` counts seconds."""

    def __init__(
        self, paths: Paths, now: Callable[[], float], steady: Callable[[], float]
    ) -> None:
        self._pin = paths.resident_pin
        self._tries = paths.resident_tries
        self._now = now
        self._steady = steady
        self._sessions: dict[bytes, tuple[float, tuple[int, ...]]] = {}

    def knock(self, pin: str, device: str) -> Opened:
        """Try a PIN from a device's address. Used by one thread.

        KeystoreError without a PIN to compare with; OSError where a try cannot be kept.
        """
        now = int(self._now())
        guard = self._guard(now)
        wait = guard.wait(device, now)
        if wait:
            return Opened(wait=wait, tried=False)
        guard = guard.tried(device, now)
        write_over(self._tries, guard.to_json())
        mark = _mark(self._pin)
        if not is_pin(self._pin, pin[:MAX_PIN_CHARACTERS]):
            _log.warning(
                "resident_pin_wrong device=%s tries=%d", device, guard.everybody.count
            )
            return Opened(wait=guard.wait(device, now))
        write_over(self._tries, guard.passed(device).to_json())
        _log.info("resident_came_in device=%s", device)
        return Opened(self._session(mark))

    def wrong_tries(self) -> int:
        """Return how many tries of the last day were not forgiven."""
        return self._guard(int(self._now())).everybody.count

    def inside(self, token: str) -> bool:
        """Tell whether a cookie's token is of a session that goes on."""
        found = self._sessions.get(_digest(token))
        if found is None:
            return False
        expires, mark = found
        # The stat is of a file in the page cache: nothing that the loop would wait for.
        if self._steady() < expires and mark == _mark(self._pin):
            return True
        self.leave(token)
        return False

    def leave(self, token: str) -> None:
        """End a session; nothing where there is none."""
        self._sessions.pop(_digest(token), None)

    def _guard(self, now: int) -> Guard:
        kept = read_small(self._tries)
        guard = Guard() if kept is None else Guard.from_json(kept, now)
        return guard.at(now)

    def _session(self, mark: tuple[int, ...]) -> str:
        token = secrets.token_urlsafe(TOKEN_BYTES)
        while len(self._sessions) >= MAX_SESSIONS:
            self._sessions.pop(next(iter(self._sessions)))
        self._sessions[_digest(token)] = (self._steady() + SESSION_S, mark)
        return token


def _digest(token: str) -> bytes:
    """Return what a token is looked up by: its time tells nothing of other tokens."""
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()


def _mark(path: Path) -> tuple[int, ...]:
    """Return what tells one PIN's file from the next."""
    try:
        found = path.stat()
    except OSError:
        return ()
    return found.st_mtime_ns, found.st_ino, found.st_size
