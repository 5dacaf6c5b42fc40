"""Times as people read them: UTC, and how long ago.

It must never show local time: a commissioning report is read elsewhere, next year.
"""

from datetime import UTC, datetime


def when(at: float) -> str:
    """Return a Unix second as `2026-03-01 12:00:00 UTC`."""
    try:
        return f"{datetime.fromtimestamp(int(at), UTC):%Y-%m-%d %H:%M:%S} UTC"
    except (OverflowError, OSError, ValueError):
        return f"second {at}"


def span(seconds: float) -> str:
    """Return a span in the largest unit that leaves two figures: `90 s`, `12 min`."""
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"
