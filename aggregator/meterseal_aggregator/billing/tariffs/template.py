"""A tariff whose figures follow the network's parameters: read, and filled in.

A template is a tariff's document (canonical JSON) without `valid_from`, in which a figure
may be `{"parameter": "retail_price_micro"}` instead of an integer. A parameter in
micro-units becomes a price of as many digits as the document says, one in basis points
stands as it is. Pure. This module must never decide from when a filled one holds.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from meterseal_aggregator.parameters.model import Name, Value
from meterseal_proto.boundedjson import read_json
from meterseal_proto.tariff import canonical

MAX_TEMPLATE_BYTES: Final = 65_000
"""As of a tariff: the log holds what is made of it."""
MAX_BRACKETS: Final = 8_000
MICRO_DIGITS: Final = 6
KEY: Final = "parameter"
_DOMAIN: Final = b"meterseal/tariff-template/v1\x00"
_UNITS: Final = ("_micro", "_bp")


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
        scale = 10 ** (int(fields.get("digits", MICRO_DIGITS)) - MICRO_DIGITS)
        return canonical({**_filled(fields, values, scale), "valid_from": valid_from})


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
    if not isinstance(code, str):
        raise ValueError("id: the code of the tariff, a text")
    names = frozenset(_names(fields))
    if not names:
        raise ValueError("it names no parameter: publish it as a tariff")
    if type(digits) is not int or not MICRO_DIGITS <= digits <= 18:
        raise ValueError("digits: 6 to 18, parameters are in micro-units")
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
    known = {name.value for name in Name if name.value.endswith(_UNITS)}
    if len(value) != 1 or text not in known:
        raise ValueError(
            f"{KEY}: one of {', '.join(sorted(known))}, and nothing beside"
        )
    return Name(text)


def _filled(value: Any, values: Mapping[Name, Value], scale: int) -> Any:  # as above
    if isinstance(value, list):
        return [_filled(one, values, scale) for one in value]
    if not isinstance(value, dict):
        return value
    if KEY in value:
        name = _named(value)
        figure = values[name]
        return figure * scale if name.value.endswith("_micro") else figure
    return {key: _filled(one, values, scale) for key, one in value.items()}
