"""Pure: a TOML table that gives each key its type and forgets none.

A key that is missing, of another type, out of range or unknown raises Refused with
the place it stands in. Must never guess what somebody meant.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from difflib import get_close_matches
from fractions import Fraction
from typing import Any

from meterseal_sim.refusal import Refused

DAY_S = 86_400


class Table:
    """One table of a scenario; `place` is how sentences name it."""

    # tomllib gives untyped tables; the methods below are their types.
    def __init__(self, rows: Mapping[str, Any], place: str) -> None:
        self._rows = rows
        self.place = place
        self._known: set[str] = set()

    def has(self, key: str) -> bool:
        """Say whether the key is there; it is then known."""
        self._known.add(key)
        return key in self._rows

    def text(self, key: str, usual: str | None = None) -> str:
        """Return a text; without a usual one the key must be there."""
        found = self._get(key, usual)
        if not isinstance(found, str) or not found:
            raise self.wrong(key, "write a text in quotation marks")
        return found

    def one_of(self, key: str, words: Mapping[str, object], usual: str) -> str:
        """Return one of the words."""
        found = self.text(key, usual)
        if found not in words:
            raise self.wrong(key, f"one of {', '.join(words)}")
        return found

    def whole(self, key: str, usual: int | None = None, *, low: int, high: int) -> int:
        """Return an integer from `low` to `high`."""
        found = self._get(key, usual)
        if not isinstance(found, int) or isinstance(found, bool):
            raise self.wrong(key, "write a whole number")
        if not low <= found <= high:
            raise self.wrong(key, f"between {low} and {high}")
        return found

    def number(self, key: str, usual: float, *, low: float, high: float) -> float:
        """Return a number from `low` to `high`."""
        found = self._get(key, usual)
        if not isinstance(found, int | float) or isinstance(found, bool):
            raise self.wrong(key, "write a number")
        if not low <= found <= high:
            raise self.wrong(key, f"between {low} and {high}")
        return float(found)

    def flag(self, key: str, *, usual: bool = False) -> bool:
        """Return true or false."""
        found = self._get(key, usual)
        if not isinstance(found, bool):
            raise self.wrong(key, "write true or false")
        return found

    def share(self, key: str, usual: str) -> Fraction:
        """Return an exact number above 0, written as a number or a text."""
        try:
            found = Fraction(str(self._get(key, usual)))
        except ValueError:
            raise self.wrong(key, "write a number") from None
        if found <= 0:
            raise self.wrong(key, "write a number above 0")
        return found

    def moment(self, key: str) -> int:
        """Return UTC seconds, written as such or as a date and time with its zone."""
        found = self._get(key, None)
        if isinstance(found, datetime):
            zoned = found if found.tzinfo else found.replace(tzinfo=UTC)
            return int(zoned.timestamp())
        return self.whole(key, low=0, high=2**40)

    def span(self, key: str, usual: int | None = None) -> int:
        """Return seconds, written as such or as "HH:MM" or "HH:MM:SS"."""
        found = self._get(key, usual)
        if isinstance(found, str):
            parts = found.split(":")
            if 2 <= len(parts) <= 3 and all(part.isdecimal() for part in parts):
                hours, minutes, seconds = (int(part) for part in (*parts, "0")[:3])
                return hours * 3600 + minutes * 60 + seconds
            raise self.wrong(key, 'write seconds, or "HH:MM"')
        return self.whole(key, usual, low=0, high=3660 * DAY_S)

    def is_word(self, key: str, word: str) -> bool:
        """Say whether the key is there and holds just this word."""
        return self.has(key) and bool(self._rows[key] == word)

    def table(self, key: str) -> "Table":
        """Return a table inside this one; an absent one is empty."""
        found = self._get(key, {})
        if not isinstance(found, dict):
            raise self.wrong(key, f"write it as [{key}]")
        return Table(found, f"{self.place}, [{key}]")

    def tables(self, key: str) -> Iterator["Table"]:
        """Yield the tables of a list, which may be absent."""
        found = self._get(key, [])
        if not isinstance(found, list) or not all(
            isinstance(row, dict) for row in found
        ):
            raise self.wrong(key, f"write each one as [[{key}]]")
        for number, row in enumerate(found, 1):
            yield Table(row, f"{self.place}, [[{key}]] {number}")

    def done(self) -> None:
        """Raise Refused for a key that nobody has asked for."""
        for key in self._rows:
            if key not in self._known:
                near = get_close_matches(key, self._known, 1)
                hint = f"did you mean {near[0]!r}?" if near else self._all()
                raise Refused(f"{self.place}: there is no key {key!r}: {hint}")

    def wrong(self, key: str, how: str) -> Refused:
        """Return what is wrong with a key's value and how to mend it."""
        return Refused(f"{self.place}: {key} = {self._rows.get(key)!r}: {how}")

    def _all(self) -> str:
        return f"known are {', '.join(sorted(self._known))}"

    def _get(self, key: str, usual: object) -> object:
        if self.has(key):
            found: object = self._rows[key]
            return found
        if usual is None:
            raise Refused(f"{self.place}: {key} is missing")
        return usual
