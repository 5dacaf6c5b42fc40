"""Canonical bytes: deterministic CBOR, one value, one encoding (RFC 8949 4.2.1).

The subset is closed: unsigned and negative integers of up to 64 bits, byte and
text strings, arrays, maps with text keys, false, true, null. The decoder refuses
whatever the encoder would not have written - floats, tags, indefinite lengths,
long forms, unsorted or repeated keys, trailing bytes - so signed bytes have exactly
one reading. It must never guess, and never recurse deeper than it was told.
"""

from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

from meterseal_proto.errors import Malformed, Reason, Rejected
from meterseal_proto.topics import MAX_MESSAGE_BYTES

Value: TypeAlias = (
    bool | int | bytes | str | Sequence["Value"] | Mapping[str, "Value"] | None
)
"""What a message may hold. Decoded arrays are tuples and decoded maps are dicts."""

MAX_DEPTH: Final = 8
"""Our deepest message nests five levels; three more, and hostile bytes cannot exhaust the stack."""

_UINT, _NEGINT, _BYTES, _TEXT, _ARRAY, _MAP, _TAG, _SIMPLE = range(8)
_SIMPLE_VALUES: Final[dict[int, bool | None]] = {20: False, 21: True, 22: None}


def encode(value: Value) -> bytes:
    """Return the one encoding of `value`; TypeError or OverflowError when it has none."""
    out = bytearray()
    _write(out, value)
    return bytes(out)


def appended(array: bytes, value: Value) -> bytes:
    """Return the encoding of a short array with `value` at its end, from the array's own.

    What was encoded to be signed is so not encoded again to be sent. The array must have
    fewer than 23 items, so that its head stays one byte.
    """
    first = array[0]
    assert _ARRAY << 5 <= first < (_ARRAY << 5) + 23
    return bytes((first + 1,)) + array[1:] + encode(value)


def decode(data: bytes, *, limit: int = MAX_MESSAGE_BYTES) -> Value:
    """Return the value whose encoding is exactly `data`.

    Raises Rejected(TOO_LARGE) above `limit` bytes, Malformed with the offset otherwise.
    """
    if len(data) > limit:
        raise Rejected(
            Reason.TOO_LARGE, f"{len(data)} bytes, at most {limit} are taken"
        )
    value, end = _read(data, 0, MAX_DEPTH)
    if end != len(data):
        raise Malformed("bytes after the end of the message", end)
    return value


def _head(out: bytearray, major: int, argument: int) -> None:
    if argument < 24:
        out.append(major << 5 | argument)
    elif argument < 0x100:
        out += bytes((major << 5 | 24, argument))
    elif argument < 0x1_0000:
        out.append(major << 5 | 25)
        out += argument.to_bytes(2)
    elif argument < 0x1_0000_0000:
        out.append(major << 5 | 26)
        out += argument.to_bytes(4)
    else:
        out.append(major << 5 | 27)
        out += argument.to_bytes(8)


def _write(out: bytearray, value: Value) -> None:
    if value is None or isinstance(value, bool):
        out.append(_SIMPLE << 5 | (22 if value is None else 20 + value))
    elif isinstance(value, int):
        _head(out, _UINT, value) if value >= 0 else _head(out, _NEGINT, -1 - value)
    elif isinstance(value, bytes):
        _head(out, _BYTES, len(value))
        out += value
    elif isinstance(value, str):
        text = value.encode()
        _head(out, _TEXT, len(text))
        out += text
    elif isinstance(value, Mapping):
        _write_map(out, value)
    else:
        _write_array(out, value)


def _write_array(out: bytearray, items: Sequence[Value]) -> None:
    if not isinstance(items, (list, tuple)):
        raise TypeError(f"{type(items).__name__} has no encoding")
    _head(out, _ARRAY, len(items))
    for item in items:
        _write(out, item)


def _write_map(out: bytearray, items: Mapping[str, Value]) -> None:
    _head(out, _MAP, len(items))
    for key, value in sorted((encode(key), value) for key, value in items.items()):
        out += key
        _write(out, value)


def _argument(data: bytes, at: int) -> tuple[int, int, int]:
    """Return the item's major type, its argument and the offset after its head."""
    if at >= len(data):
        raise Malformed("message ends early", at)
    first = data[at]
    short = first & 31
    if short < 24:
        return first >> 5, short, at + 1
    width = {24: 1, 25: 2, 26: 4, 27: 8}.get(short, 0)
    end = at + 1 + width
    if not width or end > len(data):
        raise Malformed(
            "message ends early" if width else "indefinite or reserved length", at
        )
    argument = int.from_bytes(data[at + 1 : end])
    smallest = 24 if width == 1 else 1 << (4 * width)
    if argument < smallest:
        raise Malformed("a longer form than needed", at)
    return first >> 5, argument, end


def _read(data: bytes, at: int, depth: int) -> tuple[Value, int]:
    if at < len(data) and data[at] >= _TAG << 5:
        return _read_simple(data, at)
    major, argument, end = _argument(data, at)
    if major in (_UINT, _NEGINT):
        return argument if major == _UINT else -1 - argument, end
    if argument > len(data) - end:
        raise Malformed("message ends early", at)
    if major in (_BYTES, _TEXT):
        return _string(data, major, end, end + argument)
    if depth == 0:
        raise Malformed(f"nested deeper than {MAX_DEPTH}", at)
    return (_read_array if major == _ARRAY else _read_map)(
        data, argument, end, depth - 1
    )


def _read_simple(data: bytes, at: int) -> tuple[Value, int]:
    if data[at] >> 5 == _TAG:
        raise Malformed("tags are not taken", at)
    if data[at] & 31 not in _SIMPLE_VALUES:
        raise Malformed("floats and other simple values are not taken", at)
    return _SIMPLE_VALUES[data[at] & 31], at + 1


def _string(data: bytes, major: int, start: int, end: int) -> tuple[Value, int]:
    raw = data[start:end]
    if major == _BYTES:
        return raw, end
    try:
        return raw.decode(), end
    except UnicodeDecodeError:
        raise Malformed("text is not UTF-8", start) from None


def _read_array(data: bytes, count: int, at: int, depth: int) -> tuple[Value, int]:
    items = []
    for _ in range(count):
        item, at = _read(data, at, depth)
        items.append(item)
    return tuple(items), at


def _read_map(data: bytes, count: int, at: int, depth: int) -> tuple[Value, int]:
    items: dict[str, Value] = {}
    previous = b""
    for _ in range(count):
        start = at
        key, at = _read(data, at, depth)
        raw = data[start:at]
        if not isinstance(key, str) or raw <= previous:
            raise Malformed("map keys are texts, sorted, each once", start)
        items[key], at = _read(data, at, depth)
        previous = raw
    return items, at
