"""How good this machine's clock is, as the kernel and the time services leave it.

Read, never set. It goes into status and health, so that whoever judges a reading later
knows what its time was worth. What a system does not tell is None, never a guess.
"""

import ctypes
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

_TIME_ERROR: Final = 5
"""adjtimex(2): the kernel's clock is not synchronised."""
_STATUS_NANO: Final = 0x2000
"""STA_NANO: offset is in nanoseconds, not microseconds."""
_PADDING_BYTES: Final = 512
"""Beyond the fields read here: larger than struct timex on every Linux."""
_MARKS: Final = (
    "/run/systemd/timesync/synchronized",
    "/var/lib/systemd/timesync/clock",
    "/var/lib/chrony/drift",
    "/var/lib/ntp/ntp.drift",
)
"""Files that the time services touch when they have set the clock right."""


class _Timex(ctypes.Structure):
    """The head of struct timex (sys/timex.h); zero modes mean "only tell"."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("padding", ctypes.c_byte * _PADDING_BYTES),
    )


@dataclass(frozen=True, slots=True)
class ClockQuality:
    """What is known of the clock; offsets and errors in microseconds.

    `synced_at` is when a time service last left its mark, UTC Unix seconds.
    """

    synchronised: bool
    offset_us: int | None
    max_error_us: int | None
    synced_at: int | None


def clock_quality() -> ClockQuality:
    """Ask the kernel; a system that does not answer is not synchronised."""
    state, timex = _asked()
    if state < 0:
        return ClockQuality(
            synchronised=False, offset_us=None, max_error_us=None, synced_at=synced_at()
        )
    offset = int(timex.offset)
    offset_us = offset // 1000 if timex.status & _STATUS_NANO else offset
    return ClockQuality(_kept(state), offset_us, int(timex.maxerror), synced_at())


def kernel_synchronised() -> bool:
    """Ask the kernel whether its clock is kept by a time service; False if it will not say.

    Every sample asks, so no file is looked at.
    """
    state, _ = _asked()
    return _kept(state)


def _kept(state: int) -> bool:
    return 0 <= state < _TIME_ERROR


def _asked() -> tuple[int, _Timex]:
    """Return adjtimex(2)'s state, negative from a system that does not answer."""
    timex = _Timex()
    try:
        return int(_libc().adjtimex(ctypes.byref(timex))), timex
    except (OSError, AttributeError):
        return -1, timex


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None)


def synced_at(marks: tuple[str, ...] = _MARKS) -> int | None:
    """Return when a time service last left its mark, None where there is none."""
    found = []
    for mark in marks:
        try:
            found.append(int(os.stat(Path(mark)).st_mtime))
        except OSError:
            continue
    return max(found, default=None)
