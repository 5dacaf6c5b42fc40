r"""Wireless M-Bus by way of wmbusmeters: one line of its `--format=json` is one telegram.

    {"_":"telegram","media":"water","meter":"iperl","name":"kitchen","id":"33225544",
     "status":"OK","total_m3":123.529,"timestamp":"2026-07-01T10:00:00Z"}

wmbusmeters checks the radio's CRCs and the decryption, and prints only what passed both;
what it cannot decrypt it says in words on its other output. Field names end in their
unit. This module must never take a field it does not know for a register, and never a
number through a float: JSON's digits are kept as they came.
"""

import json
import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Final

from meterseal_agent.meters.telegrams.model import BadTelegram, Frame, Telegram, Value
from meterseal_proto.units import RegisterId, parse_obis

PROTOCOL: Final = "wmbus"
MAX_LINE: Final = 16_384
"""The longest lines of wmbusmeters, with every field of a heat meter, have 3 kB."""
MAX_DIGITS: Final = 40
"""Digits of one number: a double has 17, and an exponent of 9 digits would fill memory."""

UNITS: Final = {
    "kwh": "kWh",
    "mwh": "MWh",
    "mj": "MJ",
    "gj": "GJ",
    "kvarh": "kvarh",
    "kvah": "kVAh",
    "m3": "m3",
    "l": "L",
    "m3h": "m3/h",
    "lh": "L/h",
    "kw": "kW",
    "w": "W",
    "v": "V",
    "a": "A",
    "hz": "Hz",
    "c": "degC",
    "f": "degF",
    "hca": "",
    "rh": "%",
    "pct": "%",
    "bar": "bar",
    "dbm": "dBm",
    "h": "h",
    "min": "min",
    "s": "s",
    "day": "d",
    "month": "month",
    "y": "year",
}
"""What the last word of a field's name says it is counted in. `mwh` are megawatt-hours."""

_WATER: Final = frozenset({"water", "cold water"})
_WARM: Final = frozenset({"warm water", "hot water"})
_HEAT: Final = frozenset({"heat", "heat volume at inlet", "heat/cooling load"})
_ENERGY: Final = ("kwh", "mwh", "mj", "gj")


def _electricity() -> dict[str, RegisterId]:
    found = {
        "current_power_consumption_kw": parse_obis("1-0:1.7.0"),
        "current_power_production_kw": parse_obis("1-0:2.7.0"),
    }
    for word, group in (("consumption", 1), ("production", 2)):
        total = f"total_energy_{word}"
        found[f"{total}_kwh"] = parse_obis(f"1-0:{group}.8.0")
        for tariff in range(1, 5):
            register = parse_obis(f"1-0:{group}.8.{tariff}")
            found[f"{total}_tariff_{tariff}_kwh"] = register
            found[f"{total}_tariff{tariff}_kwh"] = register
    return found


_HEAT_FIELDS: Final = {
    **{f"total_energy_consumption_{u}": parse_obis("6-0:1.0.0") for u in _ENERGY},
    **{f"total_{u}": parse_obis("6-0:1.0.0") for u in _ENERGY},
    "total_volume_m3": parse_obis("6-0:2.0.0"),
}
REGISTERS: Final[Mapping[str, Mapping[str, RegisterId]]] = {
    "electricity": _electricity(),
    "gas": {"total_m3": parse_obis("7-0:3.0.0")},
    **{media: {"total_m3": parse_obis("8-0:1.0.0")} for media in _WATER},
    **{media: {"total_m3": parse_obis("9-0:1.0.0")} for media in _WARM},
    **dict.fromkeys(_HEAT, _HEAT_FIELDS),
}
"""The registers of a medium by field name. Names differ between drivers only where the
driver means something else, so what is not here has no register."""

_IDENT: Final = re.compile(r"[0-9A-Fa-f]{8}")
_NAME: Final = re.compile(r"[A-Za-z0-9_]{1,80}")
_ABOUT: Final = frozenset({"_", "media", "meter", "name", "id"})


def decode(frame: bytes) -> Telegram:
    """Return the telegram of one line; its `meter` is the eight digits of the radio id.

    A field that is null has no number and says so. Raises BadTelegram for a line that is
    no JSON object, names no meter, or says a field twice.
    """
    if len(frame) > MAX_LINE:
        raise BadTelegram(
            f"a line of wmbusmeters has at most {MAX_LINE} bytes", MAX_LINE
        )
    fields = _fields(frame)
    if fields.get("_", "telegram") != "telegram":
        raise BadTelegram("this line of wmbusmeters is no telegram", 0)
    ident, media = fields.get("id"), fields.get("media")
    if not isinstance(ident, str) or not _IDENT.fullmatch(ident):
        raise BadTelegram('the line has no "id" of eight hexadecimal digits', 0)
    if not isinstance(media, str):
        raise BadTelegram('the line has no "media"', 0)
    registers = REGISTERS.get(media, {})
    values = tuple(
        _value(name, content, registers.get(name))
        for name, content in fields.items()
        if name not in _ABOUT
    )
    return Telegram(PROTOCOL, ident.lower(), values, checked=True)


def _fields(frame: bytes) -> dict[str, object]:
    try:
        text = frame.decode()
    except UnicodeDecodeError as error:
        raise BadTelegram("the line is no UTF-8", error.start) from None
    try:
        found: object = json.loads(
            text,
            parse_float=_number,
            parse_int=_number,
            parse_constant=_no_number,
            object_pairs_hook=_once,
        )
    except json.JSONDecodeError as error:
        at = len(text[: error.pos].encode())
        raise BadTelegram(f"the line is no JSON: {error.msg}", at) from None
    except RecursionError:
        raise BadTelegram("the line nests too deep", 0) from None
    if not isinstance(found, dict):
        raise BadTelegram("the line is no JSON object", 0)
    return found


def _number(text: str) -> Decimal:
    try:
        number = Decimal(text) if len(text) <= MAX_DIGITS else None
    except InvalidOperation:
        number = None  # an exponent that is longer than decimal's own
    if number is None or abs(number.adjusted()) > MAX_DIGITS:
        raise BadTelegram("a number of the line is out of all bounds", 0)
    return number


def _no_number(text: str) -> Decimal:
    raise BadTelegram(f"{text} is no number", 0)


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise BadTelegram("the line says a field twice", 0)
    return found


def _value(name: str, content: object, register: RegisterId | None) -> Value:
    if not _NAME.fullmatch(name):
        raise BadTelegram("a field's name is not made of letters and digits", 0)
    unit = UNITS.get(name.rpartition("_")[2], "")
    if isinstance(content, Decimal):
        return Value(register, content, unit, note=name)
    if content is None:
        return Value(register, None, unit, "not in this telegram", name)
    if isinstance(content, str):
        # A register is a number: a text in its place is not read as one.
        return Value(register, None, "", _shown(content), name)
    raise BadTelegram(f"field {name} is neither a number nor a text", 0)


def _shown(text: str) -> str:
    """Return a text fit to print: what is not printable shows as dots."""
    return "".join(c if c.isprintable() else "." for c in text)


class Splitter:
    """Cuts lines out of what wmbusmeters prints; lines that are no JSON objects are
    dropped, as are lines longer than MAX_LINE."""

    def __init__(self) -> None:
        self._kept = bytearray()
        self._at = 0
        self._too_long = False

    def feed(self, chunk: bytes) -> list[Frame]:
        """Return the lines that `chunk` completed, without their ends."""
        found: list[Frame] = []
        self._kept += chunk
        while (end := self._kept.find(b"\n")) >= 0:
            line = bytes(self._kept[:end])
            if line.startswith(b"{") and end <= MAX_LINE and not self._too_long:
                found.append(Frame(self._at, line.rstrip()))
            self._drop(end + 1)
            self._too_long = False
        if len(self._kept) > MAX_LINE:
            self._too_long = True
            self._drop(len(self._kept))
        return found

    def _drop(self, count: int) -> None:
        del self._kept[:count]
        self._at += count
