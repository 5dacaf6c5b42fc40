"""Pure: an SML telegram, as German meters push it every second.

Open, one list, close; each message with its CRC, all of it in transport 1. Source: SML
1.04 (BSI TR-03109-1, annex IV b), sections 5 to 8; OBIS codes as the FNN basic meter.
Must never leave an escape of the data single: a reader would take it for the end.
"""

from meterseal_sim.electrical import Quantities
from meterseal_sim.telegrams.shown import MAKER, Shown, shown
from meterseal_sim.telegrams.sums import x25

ESCAPE = b"\x1b\x1b\x1b\x1b"
START = ESCAPE + b"\x01\x01\x01\x01"
END = b"\x1a"
ABSENT = b"\x01"
OPEN, LIST, CLOSE = 0x0101, 0x0701, 0x0201
WH, W, V = 30, 27, 35
"""Units by their DLMS codes."""
STATUS = 0x001C0104
"""As FNN meters report: all phases there, PIN entered, nothing wrong."""
CLOCK_BITS = 32


def encode(values: Quantities, serial: int, at: int) -> bytes:
    """Return the telegram of Unix second `at`; energies in steps of 0.1 Wh.

    `serial` must have eight digits at most: it becomes the id 1MSL00xxxxxxxx.
    """
    server = server_id(serial)
    seconds = _items(_unsigned(1, 1), _unsigned(at % 2**CLOCK_BITS, 4))
    file_id = _octets((at % 2**CLOCK_BITS).to_bytes(4))
    listed = _items(*_entries(shown(values), server))
    bodies = (
        (OPEN, _items(ABSENT, ABSENT, file_id, _octets(server), ABSENT, ABSENT)),
        (
            LIST,
            _items(ABSENT, _octets(server), ABSENT, seconds, listed, ABSENT, ABSENT),
        ),
        (CLOSE, _items(ABSENT)),
    )
    messages = [
        _message(at * len(bodies) + number, kind, body)
        for number, (kind, body) in enumerate(bodies)
    ]
    return _transport(b"".join(messages))


def server_id(serial: int) -> bytes:
    """Return the ten octets of DIN 43863-5: 0A, electricity, maker, block, number."""
    return b"\x0a\x01" + MAKER.encode("ascii") + b"\x00" + serial.to_bytes(4)


def _entries(now: Shown, server: bytes) -> list[bytes]:
    volts = zip(("200700", "340700", "480700"), now.decivolts, strict=True)
    return [
        _entry("60320101", _octets(MAKER.encode("ascii"))),
        _entry("600100ff", _octets(server)),
        _register("010800ff", now.import_wh * 10, status=_unsigned(STATUS, 4)),
        _register("020800ff", now.export_wh * 10),
        _entry("100700ff", _signed(now.power_w, 4), W, 0),
        *(_entry(f"{code}ff", _unsigned(tenth, 2), V, -1) for code, tenth in volts),
    ]


def _register(code: str, tenths_wh: int, *, status: bytes = ABSENT) -> bytes:
    return _entry(code, _unsigned(tenths_wh, 8), WH, -1, status=status)


def _entry(
    code: str,
    value: bytes,
    unit: int | None = None,
    scaler: int = 0,
    *,
    status: bytes = ABSENT,
) -> bytes:
    name = _octets(b"\x01\x00" + bytes.fromhex(code))
    scale = (ABSENT, ABSENT)
    if unit is not None:
        scale = (_unsigned(unit, 1), _signed(scaler, 1))
    return _items(name, status, ABSENT, *scale, value, ABSENT)


def _message(number: int, kind: int, body: bytes) -> bytes:
    transaction = _octets((number % 2**CLOCK_BITS).to_bytes(4))
    choice = _items(_unsigned(kind, 2), body)
    raw = b"\x76" + transaction + _unsigned(0, 1) + _unsigned(0, 1) + choice
    return raw + b"\x63" + x25(raw).to_bytes(2, "little") + b"\x00"


def _transport(payload: bytes) -> bytes:
    stuffed = payload.replace(ESCAPE, ESCAPE + ESCAPE)
    padding = -len(stuffed) % 4
    raw = START + stuffed + bytes(padding) + ESCAPE + END + bytes((padding,))
    return raw + x25(raw).to_bytes(2, "little")


def _octets(raw: bytes) -> bytes:
    # One type-length byte carries up to 15; ids and names are shorter.
    return bytes((len(raw) + 1,)) + raw


def _unsigned(value: int, width: int) -> bytes:
    return bytes((0x61 + width,)) + value.to_bytes(width)


def _signed(value: int, width: int) -> bytes:
    return bytes((0x51 + width,)) + value.to_bytes(width, signed=True)


def _items(*parts: bytes) -> bytes:
    return bytes((0x70 + len(parts),)) + b"".join(parts)
