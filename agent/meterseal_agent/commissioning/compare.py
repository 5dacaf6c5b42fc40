"""A meter's value beside a clamp's or a display's: the error in percent, and its likely cause.

Pure; exact fractions. It must never call a difference small that the reference could not
have seen.
"""

from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from meterseal_agent.commissioning.finding import Finding, bad, good, note

CLAMP_PERCENT: Final = Fraction(5)
"""A clamp of 2 percent and 5 digits, and a meter of class 1, on a load that moves."""
DISPLAY_PERCENT: Final = Fraction(1, 2)
"""A display shows the same register, read seconds later."""
_FACTORS: Final = (
    (Fraction(1000), "thousand: is it kWh on one side and Wh on the other?"),
    (Fraction(100), "hundred: a scale of 0.01 is missing on one side"),
    (Fraction(10), "ten: a scale of 0.1 is missing on one side"),
    (Fraction(3), "three: one phase on one side, all of them on the other?"),
    (Fraction(1732, 1000), "1.73: voltage between phases on one side?"),
    (Fraction(2), "two: is the CT ratio half, or the conductor twice in the clamp?"),
)
_FACTOR_PERCENT: Final = 4
"""How near a ratio must be to one of the factors to be taken for it."""


@dataclass(frozen=True, slots=True)
class Compared:
    """A meter's value and its reference in the same unit, and the error in percent."""

    shown: Fraction
    reference: Fraction

    @property
    def percent(self) -> Fraction | None:
        """(shown - reference) / reference in percent; None for a reference of 0."""
        if not self.reference:
            return None
        return 100 * (self.shown - self.reference) / abs(self.reference)


def compare(what: str, pair: Compared, unit: str, limit: Fraction) -> Finding:
    """Return how far `pair` is apart; bad above `limit` percent."""
    values = f"the meter {_text(pair.shown)} {unit}, the reference {_text(pair.reference)} {unit}"
    percent = pair.percent
    if percent is None:
        if pair.shown:
            return bad(what, f"{values}: the reference shows nothing")
        return note(what, "both show 0; compare again under load")
    sentence = f"{values}: error {float(percent):+.2f} %"
    if abs(percent) <= limit:
        return good(what, sentence)
    cause = _cause(pair)
    return bad(what, sentence + (f"; {cause}" if cause else ""))


def _cause(pair: Compared) -> str:
    if not pair.shown:
        return "the meter sees nothing of it"
    if pair.shown * pair.reference < 0:
        return "the signs differ: is a CT reversed, or import taken for export?"
    ratio = max(pair.shown / pair.reference, pair.reference / pair.shown)
    for factor, text in _FACTORS:
        if abs(ratio - factor) * 100 <= factor * _FACTOR_PERCENT:
            return f"they differ by a factor of {text}"
    return ""


def _text(value: Fraction) -> str:
    return f"{float(value):.3f}".rstrip("0").rstrip(".")
