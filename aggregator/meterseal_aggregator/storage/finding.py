"""A finding: what an audit says about one invariant. Rooms give them; `audit` prints them.

It lies in the lowest room so that every room can speak of the same numbers. It must
never hold personal usage: a detail names accounts, registers and totals, not days.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """The answer for one invariant of ARCHITECTURE, "What must always hold"."""

    invariant: int
    ok: bool
    detail: str
    """One sentence: what was compared and, where it fails, the first place."""
