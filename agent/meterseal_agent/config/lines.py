"""`[[lines]]`: the wires meters stand on, and the line a meter means.

    [[lines]]
    name = "cellar"
    device = "/dev/serial/by-id/usb-FTDI_A1-if00-port0"
    baud = 9600

A meter alone on its line may hold the line's keys itself. What a line leaves out is what the protocol on it usually has. A line carries one kind
of protocol; on most there is room for one meter only. It must never open a line.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from meterseal_agent.config.fields import choice, distinct, integer, one_of, seconds
from meterseal_agent.config.model import (
    End,
    Framing,
    LineConfig,
    Log,
    Program,
    Speech,
)
from meterseal_agent.meters.table import BadTable, Table, as_table
from meterseal_agent.meters.wire import PARITIES, SerialPlace, TcpPlace

MAX_LINES: Final = 64
"""More serial adapters and gateways than one small computer serves."""
ENDS: Final = ("device", "host", "command", "file")
MODBUS_PORT: Final = 502
BAUDS: Final = (
    *(300, 600, 1200, 2400, 4800, 9600, 14_400, 19_200, 28_800),
    *(38_400, 57_600, 76_800, 115_200, 230_400),
)
USUAL: Final[Mapping[Speech, tuple[int, int, str]]] = {
    Speech.DSMR: (115_200, 8, "N"),
    Speech.SML: (9600, 8, "N"),
    Speech.D0: (9600, 7, "E"),
    Speech.D0_MODE_C: (300, 7, "E"),
    Speech.MBUS: (2400, 8, "E"),
    Speech.HAN: (2400, 8, "N"),
}
"""Baud, bits and parity where the line does not say: DSMR 5.0.2 P1, 5.12; IEC 62056-21,
5.1 and 6.4; EN 13757-2, 5.2; SML and HAN as their makers ship them."""
MODBUS_USUAL: Final = (9600, 8, "N")
"""As meters are shipped; the standard itself wants 19200 and even parity."""
TIMEOUT_MS: Final = (20, 60_000)
TURNAROUND_MS: Final = (0, 1000)


@dataclass(frozen=True, slots=True)
class _Serial:
    """A serial line's end as written: None is what the protocol usually has."""

    device: str
    baud: int | None
    bits: int | None
    parity: str | None
    stop: int

    def __str__(self) -> str:
        return self.device

    def place(self, speech: Speech) -> SerialPlace:
        baud, bits, parity = USUAL.get(speech, MODBUS_USUAL)
        return SerialPlace(
            self.device,
            self.baud or baud,
            self.bits or bits,
            self.parity or parity,
            self.stop,
        )


@dataclass(frozen=True, slots=True)
class _Network:
    """A network line's end as written: no port is Modbus' own, other protocols have none."""

    host: str
    port: int | None

    def __str__(self) -> str:
        return f"{self.host}:{self.port or MODBUS_PORT}"

    def place(self, speech: Speech) -> TcpPlace:
        if self.port is None and not speech.modbus:
            raise BadTable(f"port is missing, {speech} has none of its own")
        return TcpPlace(self.host, self.port or MODBUS_PORT)


@dataclass(frozen=True, slots=True)
class _Written:
    """A line as written, before it is known what is spoken on it."""

    name: str
    end: _Serial | _Network | Program | Log
    framing: Framing | None = None
    timeout_s: float | None = None
    turnaround_s: float = 0.0

    def line(self, speech: Speech) -> LineConfig:
        over = speech is Speech.MODBUS_RTU_OVER_TCP
        if over and isinstance(self.end, _Serial):
            raise BadTable(f'{self.name} is a serial line, write protocol = "modbus"')
        if over and self.framing is Framing.TCP:
            raise BadTable(
                f'{self.name} has framing = "tcp", write protocol = "modbus"'
            )
        if self.framing is not None and not speech.modbus:
            raise BadTable(f"framing of {self.name} is for Modbus only, take it out")
        framing = self.framing or (Framing.RTU if over else Framing.TCP)
        end = self._end(speech)
        return LineConfig(self.name, end, framing, self.timeout_s, self.turnaround_s)

    def _end(self, speech: Speech) -> End:
        radio = isinstance(self.end, Program | Log)
        if radio != (speech is Speech.WMBUS):
            has = "a command or a file" if radio else "a wire"
            raise BadTable(f"{self.name} is {has}, which is not how {speech} comes")
        if isinstance(self.end, Program | Log):
            return self.end
        return self.end.place(speech)


class Lines:
    """The lines of a configuration; the table of every meter is shown to `of`."""

    def __init__(self, table: Table) -> None:
        items = table.items("lines") if table.has("lines") else ()
        if len(items) > MAX_LINES:
            raise BadTable(f"{table.where}: give at most {MAX_LINES} [[lines]]")
        written = [
            _written(as_table(item, f"{table.where}: line {i}"))
            for i, item in enumerate(items, 1)
        ]
        distinct([line.name for line in written], f"{table.where}: line")
        distinct([str(line.end) for line in written], f"{table.where}: line at")
        self._where = table.where
        self._written = {line.name: line for line in written}
        self._used: dict[str, LineConfig] = {}
        self._speech: dict[str, Speech] = {}

    def of(self, table: Table, speech: Speech) -> LineConfig:
        """Return the line a meter's table names, or makes by a host and a port."""
        if one_of(table, ("line", *ENDS)) == "line":
            name = table.text("line")
            if name not in self._written:
                raise BadTable(f"{table.where}: line {name!r} is in no [[lines]]")
            written = self._written[name]
        else:
            written = self._made(table)
        try:
            line = written.line(speech)
            self._book(line, speech)
        except BadTable as error:
            raise BadTable(f"{table.where}: {error}") from None
        return line

    def done(self) -> None:
        """Refuse a line that no meter stands on: one of the names is misspelt."""
        for name in self._written:
            if name not in self._used:
                raise BadTable(
                    f"{self._where}: no meter stands on line {name}; say line ="
                    f' "{name}" in a meter or take the line out'
                )

    def _made(self, table: Table) -> _Written:
        """Return the line that a meter's own table makes."""
        end, framing = _ends(table)
        for line in self._written.values():
            if str(line.end) == str(end):
                raise BadTable(
                    f'{table.where}: {end} is a line already, say line = "{line.name}"'
                    " instead"
                )
        return _Written(str(end), end, framing)

    def _book(self, line: LineConfig, speech: Speech) -> None:
        before = self._speech.get(line.name)
        if before is not None:
            if not before.mixes(speech):
                raise BadTable(f"{line.name} speaks {before} already, not {speech}")
            if not speech.shared:
                raise BadTable(
                    f"{line.name} has a meter already, and {speech} is one meter's alone"
                )
            if self._used[line.name] != line:
                raise BadTable(
                    f"{line.name} is set in two ways, make it one of [[lines]]"
                )
        self._speech[line.name] = speech
        self._used[line.name] = line


def _written(table: Table) -> _Written:
    name = table.text("name")
    end, framing = _ends(table)
    timeout_s, turnaround_s = patience(table)
    table.done()
    return _Written(name, end, framing, timeout_s, turnaround_s or 0.0)


def _ends(
    table: Table,
) -> tuple[_Serial | _Network | Program | Log, Framing | None]:
    """Take what is at a line's end, and how Modbus crosses it where that is told."""
    match one_of(table, ENDS):
        case "device":
            return _serial(table), None
        case "host":
            host = table.text("host")
            port = (
                table.integer("port", low=1, high=65535) if table.has("port") else None
            )
            framing = None
            if table.has("framing"):
                framing = choice(table, "framing", Framing, Framing.TCP)
            return _Network(host, port), framing
        case "command":
            words = table.items("command")
            argv = tuple(word for word in words if isinstance(word, str) and word)
            if not argv or len(argv) < len(words):
                raise BadTable(
                    f'{table.where}: command must be texts like ["wmbusmeters", "--help"]'
                )
            return Program(argv), None
        case _:
            path = _absolute(table, "file", "a path like /run/wmbus.json")
            return Log(Path(path)), None


def patience(table: Table) -> tuple[float | None, float | None]:
    """Take `timeout_ms` and `turnaround_ms` as seconds; None where they are left out."""
    low, high = TIMEOUT_MS
    timeout_s = seconds(table, "timeout_ms", low=low, high=high)
    low, high = TURNAROUND_MS
    return timeout_s, seconds(table, "turnaround_ms", low=low, high=high)


def _serial(table: Table) -> _Serial:
    device = _absolute(table, "device", "a path, best one of /dev/serial/by-id/")
    baud = table.integer("baud", low=1, high=10**6) if table.has("baud") else None
    if baud is not None and baud not in BAUDS:
        raise BadTable(
            f"{table.where}: baud must be one of {', '.join(map(str, BAUDS))}"
        )
    parity = table.text("parity") if table.has("parity") else None
    if parity is not None and parity not in PARITIES:
        raise BadTable(
            f"{table.where}: parity must be one of {', '.join(PARITIES)}, not {parity!r}"
        )
    bits = table.integer("bits", low=7, high=8) if table.has("bits") else None
    stop = integer(table, "stop", 1, low=1, high=2)
    return _Serial(device, baud, bits, parity, stop)


def _absolute(table: Table, key: str, wanted: str) -> str:
    text = table.text(key)
    if not text.startswith("/"):
        raise BadTable(f"{table.where}: {key} must be {wanted}")
    return text
