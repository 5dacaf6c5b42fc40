"""A private home that lived some days, all accepted, before its last reading."""

import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from tests.support.devices import BEGAN_AT
from tests.support.private_home import DAY_S, PrivateHome, midnight, readings

USAGE = [1_007 + (n * 911) % 1_403 for n in range(501)]
"""Wh, slot by slot: numbers that nothing else is by chance."""
FIRST = midnight(BEGAN_AT)
END = FIRST + 4 * DAY_S
LATE = BEGAN_AT + 10 * DAY_S


def live_at(folder: Path) -> Path:
    """Let a home live in `folder`, without its last reading; returns where."""
    with closing(PrivateHome(folder)) as home:
        home.live(USAGE[:-1], now=LATE)
    return folder


@contextmanager
def asleep_in(folder: Path, lived: Path) -> Iterator[PrivateHome]:
    """Open a copy of a home that lived, not yet awake."""
    shutil.copytree(lived, folder)
    with closing(PrivateHome(folder)) as home:
        yield home


def wake(home: PrivateHome) -> None:
    """Read the last of its readings."""
    home.read(readings(USAGE)[-1:])
