"""How much room a text takes in one SMS.

The default alphabet has 128 letters and ten more that take two places (3GPP TS 23.038,
6.2.1); whatever else is written needs UCS-2. This module must never count a text as
shorter than a phone network does.
"""

import unicodedata
from typing import Final

MAX_SEPTETS: Final = 160
"""Places of one SMS in the default alphabet (3GPP TS 23.040, 9.2.3.16)."""
MAX_UCS2: Final = 70
"""UTF-16 units of one SMS in UCS-2."""

BASIC: Final = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ"
    " !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§"
    "¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
"""The default alphabet in its order, without the escape at 0x1B."""
EXTENSION: Final = "\f^{}\\[~]|€"
"""Letters that stand behind an escape."""
_INSTEAD: Final = {
    "\u00a0": " ",
    "\u202f": " ",
    "\u2019": "'",
    "\u2018": "'",
    "\u201c": '"',
    "\u201d": '"',
    "\u2013": "-",
    "\u2014": "-",
    "\u2212": "-",
    "`": "'",
}


def septets(text: str) -> int | None:
    """Return the places a text takes in the default alphabet; None if it has no place."""
    if not set(text) <= _ALL:
        return None
    return len(text) + sum(text.count(letter) for letter in EXTENSION)


def ucs2(text: str) -> int:
    """Return the UTF-16 units a text takes."""
    return len(text.encode("utf-16-be", "surrogatepass")) // 2


def fits(text: str) -> bool:
    """Return whether a text is one SMS."""
    places = septets(text)
    return ucs2(text) <= MAX_UCS2 if places is None else places <= MAX_SEPTETS


def in_default_alphabet(text: str) -> str:
    """Return a text in the default alphabet: accents that it lacks go, the rest is "?"."""
    return "".join(map(_letter, text))


def _letter(letter: str) -> str:
    if letter in _ALL:
        return letter
    if letter in _INSTEAD:
        return _INSTEAD[letter]
    base = unicodedata.normalize("NFKD", letter)[0]
    return base if base in _ALL else "?"


_ALL: Final = frozenset(BASIC + EXTENSION)
