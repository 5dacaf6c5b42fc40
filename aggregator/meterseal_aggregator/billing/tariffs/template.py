"""A tariff whose figures follow the network's parameters: read, and filled in.

A template is a tariff's document (canonical JSON) without `valid_from`, in which a figure
may be `{"parameter": "retail_price_micro"}` instead of an integer. A parameter in
micro-units becomes a price of as many digits as the document says, one in basis points a
rate of as many digits, or stays as it is where the field counts basis points too. Pure.
This module must never decide from when a filled one holds.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from meterseal_aggregator.parameters.model import Name, Value
from meterseal_proto.boundedjson import read_json
from meterseal_proto.tariff import canonical

MAX_TEMPLATE_BYTES: Final = 65_000
"""It names parameters, where a longer tariff lists the prices of hours."""
MAX_BRACKETS: Final = 8_000
MICRO_DIGITS: Final = 6
MAX_DIGITS: Final = 18
KEY: Final = "parameter"
_DOMAIN: Final = b"meterseal/tariff-template/v1\x00"
_MICRO: Final = "_micro"
_BP: Final = "_bp"
_BP_DIGITS: Final = 4


@dataclass(frozen=True, slots=True)
class Template:
    """A template: the `code` of what is made of it, and the parameters it names."""

    code: str
    document: bytes
    names: frozenset[Name]

    def hash(self) -> bytes:
        """Return SHA-256 of a domain and the document, 32 bytes."""
        return hashlib.sha256(_DOMAIN + self.document).digest()

    def filled(self, values: Mapping[Name, Value], valid_from: int) -> bytes:
        """Return the tariff's document with these values, from `valid_from` (Unix s) on."""
        fields = read_json(self.document, brackets=MAX_BRACKETS)
        digits = int(fields.get("digits", MICRO_DIGITS))
        figures = {name: _figure(name, values[name], digits) for name in self.names}
        filled = {key: _filled(one, figures, key) for key, one in fields.items()}
        return canonical({**filled, "valid_from": valid_from})


@dataclass(frozen=True, slots=True)
class Figure:
    """A parameter's value: as `stated` in its own unit, and `scaled` to 10^-digits."""

    stated: int
    scaled: int


def parse_template(document: bytes) -> Template:
    """Return the template a document spells; ValueError says what is wrong with it."""
    if len(document) > MAX_TEMPLATE_BYTES:
        raise ValueError(f"a template has at most {MAX_TEMPLATE_BYTES} bytes")
    fields = read_json(document, brackets=MAX_BRACKETS)
    if not isinstance(fields, dict) or canonical(fields) != document:
        raise ValueError("write it as canonical JSON: keys sorted, no blanks")
    if "valid_from" in fields:
        raise ValueError("valid_from: a template has none, what is made of it has")
    code, digits = fields.get("id"), fields.get("digits", MICRO_DIGITS)
    if type(digits) is not int or not MICRO_DIGITS <= digits <= MAX_DIGITS:
        raise ValueError("digits: 6 to 18, parameters are in micro-units")
    names = frozenset(_names(fields))
    if not names or not isinstance(code, str):
        raise ValueError("a template has an id, and names at least one parameter")
    return Template(code, document, names)


# Any: JSON, of which only what names a parameter is looked at.
def _names(value: Any) -> list[Name]:
    if isinstance(value, list):
        return [name for one in value for name in _names(one)]
    if not isinstance(value, dict):
        return []
    if KEY in value:
        return [_named(value)]
    return [name for one in value.values() for name in _names(one)]


def _named(value: Mapping[str, Any]) -> Name:  # Any: as above
    text = value[KEY]
    known = {name.value for name in Name if name.value.endswith((_MICRO, _BP))}
    if len(value) != 1 or text not in known:
        raise ValueError(
            f"{KEY}: one of {', '.join(sorted(known))}, and nothing beside"
        )
    return Name(text)


def _figure(name: Name, value: Value, digits: int) -> Figure:
    assert isinstance(value, int), name
    have = _BP_DIGITS if name.value.endswith(_BP) else MICRO_DIGITS
    return Figure(value, value * 10 ** (digits - have))


def _filled(value: Any, figures: Mapping[Name, Figure], key: str) -> Any:  # as above
    if isinstance(value, list):
        return [_filled(one, figures, key) for one in value]
    if not isinstance(value, dict):
        return value
    if KEY in value:
        figure = figures[_named(value)]
        return figure.stated if key.endswith(_BP) else figure.scaled
    return {name: _filled(one, figures, name) for name, one in value.items()}
