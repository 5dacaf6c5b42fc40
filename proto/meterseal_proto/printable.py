"""What a file says, as a terminal may be shown it: one line of printable ASCII.

Names in a file are its maker's, who might write a line that says PASS, or move a cursor.
This module must never let a control character through.
"""

from typing import Final

_SHOWN: Final = range(ord(" "), ord("~") + 1)
"""ASCII without its control characters."""


def printable(text: str) -> str:
    """Return `text` with everything else than printable ASCII as an escape."""
    plain = text.encode("ascii", "backslashreplace").decode()
    return "".join(c if ord(c) in _SHOWN else f"\\x{ord(c):02x}" for c in plain)
