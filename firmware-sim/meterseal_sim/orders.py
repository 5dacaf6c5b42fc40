"""The words of the command line: which commands there are and what each is told.

Must never act: it turns words into options, and `cli.py` acts on them.
"""

import argparse
from fractions import Fraction
from pathlib import Path

from meterseal_sim import faults
from meterseal_sim.pace import PARITIES
from meterseal_sim.serve.protocols import SPOKEN
from meterseal_sim.shapes import Place

DEFAULT_PORT = 15020
"""Modbus' own 502 needs root; 15020 is where test benches put it."""
DEFAULT_BAUD = 9600
MIN_INTERVAL_S = 0.05
MAX_INTERVAL_S = 3600.0
"""No meter speaks more often than twenty times a second, or less than once an hour."""


def parser() -> argparse.ArgumentParser:
    """Return the parser of `meterseal-sim`; `options.command` names the command."""
    root = argparse.ArgumentParser(
        prog="meterseal-sim", description="Simulated meters that no wire can hurt."
    )
    commands = root.add_subparsers(required=True, metavar="COMMAND", dest="command")
    street = commands.add_parser("street", help="a street of homes, one meter each")
    _served(street)
    street.add_argument("--homes", type=int, default=24, help="default 24")
    _replayed(street)
    _placed(street)
    meter = commands.add_parser("meter", help="a single meter")
    meter.set_defaults(gateway=False)
    _served(meter)
    meter.add_argument("--profile", required=True, help="see `profiles`")
    meter.add_argument("--unit", type=_unit, default=1, help="1 to 247, default 1")
    commands.add_parser("profiles", help="list the meter models")
    _registers(
        commands.add_parser("registers", help="what a street must show, as JSON")
    )
    _staged(commands)
    _captured(commands.add_parser("replay", help="say what was captured in a file"))
    _panelled(commands.add_parser("panel", help="a street on the screen, with faults"))
    return root


def _panelled(order: argparse.ArgumentParser) -> None:
    order.add_argument(
        "file", nargs="?", metavar="SCENARIO", help="a TOML file or a name (a street)"
    )
    order.add_argument("--homes", type=int, default=8, help="of the street, default 8")
    order.add_argument("--port", type=_port, default=DEFAULT_PORT, help="its first")
    order.add_argument("--host", default="127.0.0.1", help="default 127.0.0.1")
    order.add_argument("--seed", type=int)
    order.add_argument("--dir", type=Path, metavar="DIR", help="where terminals are")
    order.add_argument(
        "--agent-status", type=Path, metavar="FILE", help="an agent's status.json"
    )


def _captured(order: argparse.ArgumentParser) -> None:
    order.add_argument("file", type=Path, metavar="FILE", help="bytes, hex or JSON")
    order.add_argument("--protocol", required=True, choices=tuple(SPOKEN))
    order.add_argument("--entry", metavar="NAME", help="one text of a JSON file")
    order.add_argument("--once", action="store_true", help="do not begin again")
    order.add_argument(
        "--interval", type=_seconds, metavar="SECONDS", help="the meter's (its kind's)"
    )
    _wired(order)
    order.set_defaults(baud=None, parity=None, gateway=False)


# argparse names the type of what add_subparsers returns in private.
def _staged(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    commands.add_parser("list", help="list the scenarios and rehearsals there are")
    scenario = commands.add_parser("scenario", help="put up a scenario")
    scenario.add_argument("file", metavar="FILE", help="a TOML file, or see `list`")
    scenario.add_argument("--map", type=Path, metavar="FILE", help="write the map here")
    rehearse = commands.add_parser("rehearse", help="put up a hidden fault and a task")
    mark = commands.add_parser("mark", help="mark what you found in a rehearsal")
    for order in (rehearse, mark):
        order.add_argument("name", metavar="NAME", help="see `list`")
    for order in (scenario, rehearse, mark):
        order.add_argument("--seed", type=int, help="hide it elsewhere (the file's)")
        order.add_argument(
            "--dir", type=Path, metavar="DIR", help="where terminals are made"
        )
    mark.add_argument("--answer", metavar="TEXT", help='e.g. "CT on L2 reversed"')
    mark.add_argument("--show", action="store_true", help="show the right answer too")


def _registers(order: argparse.ArgumentParser) -> None:
    order.add_argument("--map", type=Path, required=True, metavar="FILE")
    order.add_argument("--at", type=int, metavar="EPOCH", help="default now")
    order.add_argument(
        "--quarters", action="store_true", help="print every quarter hour instead"
    )


def _served(order: argparse.ArgumentParser) -> None:
    order.add_argument("--seed", type=int, default=1, help="default 1")
    order.add_argument(
        "--start", type=int, metavar="EPOCH", help="default: today, 0:00 UTC"
    )
    order.add_argument("--days", type=int, default=1, help="default 1")
    order.add_argument("--map", type=Path, metavar="FILE", help="write the map here")
    order.add_argument(
        "--fault",
        action="append",
        default=[],
        metavar="HOME:KIND:FROM:TO[:AMOUNT[:CHANCE]]",
        help=f"seconds after the start; kinds: {', '.join(faults.Kind)}",
    )
    _wired(order)


def _wired(order: argparse.ArgumentParser) -> None:
    order.add_argument("--host", default="127.0.0.1", help="default 127.0.0.1")
    order.add_argument(
        "--port", type=_port, default=DEFAULT_PORT, help="the first; 0: free ones"
    )
    order.add_argument(
        "--framing",
        choices=("tcp", "rtu"),
        default="tcp",
        help="on TCP: Modbus TCP, or RTU frames at the line's pace (default tcp)",
    )
    device = order.add_mutually_exclusive_group()
    device.add_argument(
        "--pty", type=Path, metavar="PATH", help="RTU on a terminal under this path"
    )
    device.add_argument("--serial", metavar="DEVICE", help="RTU on a real serial port")
    _paced(order)


def _paced(order: argparse.ArgumentParser) -> None:
    order.add_argument("--baud", type=int, default=DEFAULT_BAUD, help="default 9600")
    order.add_argument("--parity", choices=PARITIES, default="N", help="default N")
    order.add_argument("--stop", type=int, choices=(1, 2), default=1, help="default 1")
    order.add_argument(
        "--strict",
        action="store_true",
        help="a terminal answers only a client that has set the right --baud",
    )


def _replayed(order: argparse.ArgumentParser) -> None:
    order.add_argument(
        "--gateway", action="store_true", help="one port, units 1 to 247 behind it"
    )
    order.add_argument(
        "--replay", type=Path, metavar="FILE", help="CityLearn or SimBench homes"
    )
    order.add_argument("--row", type=int, default=0, help="first data row, from 0")
    order.add_argument(
        "--pv-scale", type=_positive, default=Fraction(1), help="times PV, e.g. 0.001"
    )
    order.add_argument(
        "--peak-load-kw",
        type=_positive,
        default=Fraction(8),
        help="SimBench, default 8",
    )
    order.add_argument(
        "--peak-pv-kw", type=_positive, default=Fraction(6), help="SimBench, default 6"
    )


def _placed(order: argparse.ArgumentParser) -> None:
    here = Place()
    order.add_argument("--latitude", type=float, default=here.latitude)
    order.add_argument("--longitude", type=float, default=here.longitude)
    order.add_argument(
        "--utc-offset", type=int, default=here.utc_offset_s, metavar="SECONDS"
    )


def _positive(text: str) -> Fraction:
    try:
        value = Fraction(text)
    except (ValueError, ZeroDivisionError):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None
    if value <= 0:
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return value


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port from 0 to 65535")
    return int(text)


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None
    if not MIN_INTERVAL_S <= value <= MAX_INTERVAL_S:
        raise argparse.ArgumentTypeError(
            f"{text} is not between {MIN_INTERVAL_S} and {MAX_INTERVAL_S} seconds"
        )
    return value


def _unit(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 247:
        raise argparse.ArgumentTypeError(f"{text!r} is not a unit from 1 to 247")
    return int(text)
