"""A TOML table read strictly: right types, known keys, errors that name the place.

Used for meter profiles. It must never supply a default the file's reader cannot see.
"""

from collections.abc import Mapping, Sequence


class BadTable(ValueError):
    """A file says something its reader cannot take: file, table, key and what to do."""


class Table:
    """One table of a TOML file, and where it stands for error messages.

    Read every key with a typed method, then call `done()`, which refuses the rest.
    Every method raises BadTable with one sentence naming file, table and key.
    """

    def __init__(self, content: Mapping[str, object], where: str) -> None:
        self._content = dict(content)
        self.where = where

    def has(self, key: str) -> bool:
        """Tell whether an optional key is there and not yet read."""
        return key in self._content

    def is_text(self, key: str) -> bool:
        """Tell whether the key holds a text, without taking it."""
        return isinstance(self._content.get(key), str)

    def text(self, key: str) -> str:
        """Take a non-empty string."""
        value = self._take(key)
        if not isinstance(value, str) or not value:
            raise BadTable(f"{self.where}: {key} must be a text")
        return value

    def flag(self, key: str) -> bool:
        """Take true or false."""
        value = self._take(key)
        if not isinstance(value, bool):
            raise BadTable(f"{self.where}: {key} must be true or false")
        return value

    def integer(self, key: str, *, low: int, high: int) -> int:
        """Take an integer between `low` and `high`, both inclusive."""
        value = self._take(key)
        if (
            not isinstance(value, int)
            or isinstance(value, bool)
            or not low <= value <= high
        ):
            raise BadTable(
                f"{self.where}: {key} must be an integer from {low} to {high}"
            )
        return value

    def items(self, key: str) -> Sequence[object]:
        """Take an array of anything."""
        value = self._take(key)
        if not isinstance(value, list):
            raise BadTable(f"{self.where}: {key} must be an array")
        return value

    def table(self, key: str) -> "Table":
        """Take a sub-table."""
        return as_table(self._take(key), f"{self.where}: {key}")

    def unread(self) -> tuple[str, ...]:
        """Return the keys not read yet, in the order of the file."""
        return tuple(self._content)

    def done(self) -> None:
        """Refuse every key nobody asked for."""
        if self._content:
            unknown = ", ".join(sorted(self._content))
            raise BadTable(
                f"{self.where}: unknown key {unknown}; remove it or correct its spelling"
            )

    def _take(self, key: str) -> object:
        if key not in self._content:
            raise BadTable(f"{self.where}: {key} is missing")
        return self._content.pop(key)


def as_table(value: object, where: str) -> Table:
    """Return `value` as a Table, or raise BadTable when it is none."""
    if not isinstance(value, dict):
        raise BadTable(f"{where} must be a table")
    return Table(value, where)
