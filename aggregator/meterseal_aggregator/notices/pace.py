"""When a notice that did not go out is tried again, and when it is given up.

Pure. This module must never know why it failed.
"""

from typing import Final

MAX_ATTEMPTS: Final = 12
"""Over two days together: longer than a weekend's broken mail server goes unnoticed."""
FIRST_S: Final = 60
LONGEST_S: Final = 8 * 3_600
JITTER: Final = 5
"""Pauses vary by a fifth, so that what failed together does not come back together."""


def pause_s(attempts: int, notice_id: int) -> int:
    """Return the seconds until the next try after `attempts` of them, one or more."""
    base = min(LONGEST_S, FIRST_S << min(attempts - 1, 16))
    spread = base // JITTER
    # A number of its own for each notice and try, the same whenever it is asked.
    place = (notice_id * 2_654_435_761 + attempts * 40_503) % 1_000
    return base + spread * place // 1_000
