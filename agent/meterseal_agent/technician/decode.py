"""`decode`: a captured telegram, or a stream of them, to one JSON line per value.

It needs no configuration and no meter. It must never print a value of a telegram that
is wrong, and never end in a traceback, whatever bytes it is given.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import BinaryIO, Final

from meterseal_agent.meters.telegrams.capture import Capture
from meterseal_agent.meters.telegrams.detect import Format, detect, is_hex
from meterseal_agent.meters.telegrams.model import BadTelegram, Telegram, Value
from meterseal_agent.technician.complaint import Complaint
from meterseal_proto.units import obis_text

AUTO: Final = "auto"
STDIN: Final = "-"
CHUNK_BYTES: Final = 1 << 16
MAX_BYTES: Final = 1 << 26
"""A day of P1 telegrams, one a second, takes 60 MB; more is no capture of one meter."""
_PLAIN_EXPONENT: Final = 30
"""Beyond this many digits a number is written with an exponent, as JSON allows."""

Write = Callable[[str], object]


def decode(source: str, protocol: str, stdin: BinaryIO, *, write: Write) -> int:
    """Write a JSON line for every value in file `source` (`-`: stdin); 0 when all is well.

    `protocol` is one of Format, or `auto`. Complaint for the first thing that is wrong,
    after the values of the telegrams that are right.
    """
    name = "standard input" if source == STDIN else source
    try:
        with _opened(source, stdin) as file:
            why = _read(_chunks(file, name), protocol, write)
    except BadTelegram as error:
        why = str(error)
    if why:
        raise Complaint(f"{name}: {why}")
    return 0


def line(value: Value, telegram: Telegram) -> str:
    """Return the JSON line of one value: numbers keep every digit the telegram gave."""
    fields = {
        "obis": json.dumps(
            None if value.register is None else obis_text(value.register)
        ),
        "value": json.dumps(value.text)
        if value.number is None
        else _digits(value.number),
        "unit": json.dumps(value.unit),
        "protocol": json.dumps(telegram.protocol),
        "meter": json.dumps(telegram.meter),
    }
    if value.note:
        fields["note"] = json.dumps(value.note)
    return "{" + ", ".join(f'"{key}": {text}' for key, text in fields.items()) + "}\n"


def _digits(number: Decimal) -> str:
    short = abs(number.adjusted()) <= _PLAIN_EXPONENT
    return format(number, "f") if short else str(number)


@contextmanager
def _opened(source: str, stdin: BinaryIO) -> Iterator[BinaryIO]:
    if source == STDIN:
        yield stdin
    else:
        try:
            file = Path(source).open("rb")  # noqa: SIM115 - closed below
        except OSError as error:
            raise _unreadable(source, error) from error
        with file:
            yield file


def _unreadable(name: str, error: OSError) -> Complaint:
    why = error.strerror or str(error)
    return Complaint(f"{name} cannot be read: {why}; name a file with telegrams")


def _chunks(file: BinaryIO, name: str) -> Iterator[bytes]:
    seen = 0
    while chunk := _read_some(file, name):
        seen += len(chunk)
        if seen > MAX_BYTES:
            raise Complaint(
                f"{name} is longer than {MAX_BYTES >> 20} MiB; give a piece of it"
            )
        yield chunk


def _read_some(file: BinaryIO, name: str) -> bytes:
    try:
        return file.read(CHUNK_BYTES)
    except OSError as error:
        raise _unreadable(name, error) from error


def _read(chunks: Iterator[bytes], protocol: str, write: Write) -> str:
    """Write what the chunks hold; return what was wrong, "" for nothing."""
    first = next(chunks, b"")
    hexed = is_hex(first)
    unhex = _Unhex() if hexed else _AsItIs()
    raw = unhex(first)
    which = detect(raw) if protocol == AUTO else Format(protocol)
    if not raw:
        raise BadTelegram("nothing is there to decode", 0)
    capture = Capture(which)
    _write(capture.feed(raw), write)
    for chunk in chunks:
        _write(capture.feed(unhex(chunk)), write)
    unhex.done()
    _write(capture.end(), write)
    if capture.trouble is None:
        return ""
    of = " of what the hex stands for" if hexed else ""
    more = f"; {capture.wrong - 1} more is wrong" if capture.wrong > 1 else ""
    return f"{capture.trouble.detail} (at byte {capture.trouble.offset}{of}{more})"


def _write(telegrams: list[Telegram], write: Write) -> None:
    for telegram in telegrams:
        write("".join(line(value, telegram) for value in telegram.values))


class _AsItIs:
    """Passes bytes on."""

    def __call__(self, chunk: bytes) -> bytes:
        """Return the chunk."""
        return chunk

    def done(self) -> None:
        """Accept any end."""


class _Unhex:
    """Turns hexadecimal text into bytes, chunk by chunk; half a byte waits."""

    def __init__(self) -> None:
        self._half = b""
        self._seen = 0

    def __call__(self, text: bytes) -> bytes:
        """Return the bytes that `text` completes; BadTelegram where it is no hex."""
        digits = self._half + b"".join(text.split())
        whole = len(digits) // 2 * 2
        self._half = digits[whole:]
        try:
            raw = bytes.fromhex(digits[:whole].decode("ascii"))
        except ValueError:
            raise BadTelegram("the hexadecimal text ends here", self._seen) from None
        self._seen += len(raw)
        return raw

    def done(self) -> None:
        """Refuse an end in the middle of a byte."""
        if self._half:
            raise BadTelegram("the hexadecimal text ends amid a byte", self._seen)
