"""How long a guesser of PINs has to wait: the rule, pure.

Every try counts against the device it came from and against everybody together, because a
device on a home's network has as many addresses as it likes. Waits double and end at a cap,
so that nobody is locked out for good by a neighbour's child:

    a device      5 tries at once, then 30 s, 1 min, 2 min ... an hour
    everybody     10 tries at once, then 5 s, 10 s ... 5 minutes

A day of trying from any number of addresses is then some 310 tries at one hundred million
PINs. Who gets in is forgiven his own mistakes, not those of others; a day without a try
forgives all. A device that came in before waits for its own tries only: else a program that
tries each second would keep the family out. Whoever takes its address has some 30 tries a
day more. This module must never let a clock that was set back make a wait longer than
it began.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from meterseal_proto.boundedjson import read_json, uint

FORGET_S: Final = 86_400
MAX_DEVICES: Final = 64
"""Told apart at once; of more the oldest are forgotten, everybody's count is not."""
MAX_FRIENDS: Final = 8
"""Devices that came in last, more than a family has; each may be tried from, too."""
MAX_COUNT: Final = 1 << 20
_BRACKETS: Final = 4 + MAX_DEVICES


@dataclass(frozen=True, slots=True)
class Pace:
    """`free` tries, then a wait of `first_s` that doubles up to `cap_s` seconds."""

    free: int
    first_s: int
    cap_s: int

    def wait(self, count: int) -> int:
        """Return the seconds to wait after the last of `count` tries."""
        if count < self.free:
            return 0
        return min(self.cap_s, self.first_s << min(count - self.free, 16))


DEVICE: Final = Pace(5, 30, 3_600)
EVERYBODY: Final = Pace(10, 5, 300)


@dataclass(frozen=True, slots=True)
class Tries:
    """How many there were, and when the last was (UTC Unix seconds)."""

    count: int = 0
    last: int = 0

    def left(self, pace: Pace, now: int) -> int:
        """Return the seconds that are left to wait at `now`."""
        return max(0, pace.wait(self.count) - (now - self.last))

    def at(self, now: int) -> "Tries":
        """Return them as they count at `now`: not in the future, and not for ever."""
        if now - self.last >= FORGET_S:
            return Tries()
        return Tries(self.count, min(self.last, now))

    def more(self, now: int) -> "Tries":
        """Return them with one more, made at `now`."""
        return Tries(min(MAX_COUNT, self.count + 1), now)


@dataclass(frozen=True, slots=True)
class Guard:
    """Every try that still counts; `friends` are the devices that came in, the last first."""

    everybody: Tries = Tries()
    devices: Mapping[str, Tries] = field(default_factory=dict)
    friends: tuple[str, ...] = ()

    def at(self, now: int) -> "Guard":
        """Return what still counts at `now`; to be asked first of all."""
        found = {name: tries.at(now) for name, tries in self.devices.items()}
        counting = {n: t for n, t in found.items() if t.count}
        return Guard(self.everybody.at(now), counting, self.friends)

    def wait(self, device: str, now: int) -> int:
        """Return the seconds a device has to wait before its next try."""
        own = self.devices.get(device, Tries())
        if device in self.friends:
            return own.left(DEVICE, now)
        return max(own.left(DEVICE, now), self.everybody.left(EVERYBODY, now))

    def tried(self, device: str, now: int) -> "Guard":
        """Return the guard after a try: kept before the PIN is looked at."""
        own = self.devices.get(device, Tries()).more(now)
        others = [(n, t) for n, t in self.devices.items() if n != device]
        others.sort(key=lambda row: row[1].last, reverse=True)
        kept = dict([(device, own), *others[: MAX_DEVICES - 1]])
        return Guard(self.everybody.more(now), kept, self.friends)

    def passed(self, device: str) -> "Guard":
        """Return the guard after the right PIN: that device's tries are forgiven."""
        own = self.devices.get(device, Tries()).count
        left = Tries(max(0, self.everybody.count - own), self.everybody.last)
        others = {n: t for n, t in self.devices.items() if n != device}
        friends = (device, *(one for one in self.friends if one != device))
        return Guard(left, others, friends[:MAX_FRIENDS])

    def to_json(self) -> bytes:
        """Return it as it is kept."""
        return json.dumps(
            {
                "devices": {n: [t.count, t.last] for n, t in self.devices.items()},
                "everybody": [self.everybody.count, self.everybody.last],
                "friends": list(self.friends),
            }
        ).encode()

    @classmethod
    def from_json(cls, text: bytes, now: int) -> "Guard":
        """Read it; a file that is damaged counts as many tries just now."""
        try:
            kept = read_json(text, brackets=_BRACKETS)
            rows = {str(name): _tries(row) for name, row in kept["devices"].items()}
            friends = tuple(str(name) for name in kept.get("friends", []))
            return cls(_tries(kept["everybody"]), rows, friends[:MAX_FRIENDS])
        except (AttributeError, KeyError, TypeError, ValueError):
            return cls(Tries(2 * EVERYBODY.free, now))


def _tries(row: object) -> Tries:
    if not isinstance(row, list) or len(row) != 2:
        raise ValueError("tries are a count and a time")
    return Tries(uint(row[0], "count", MAX_COUNT), uint(row[1], "last"))
