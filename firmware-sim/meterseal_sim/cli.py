"""`meterseal-sim`: a street of meters, or a single one, on Modbus TCP.

The only place that reads the environment, the clock and the command line. Must
never show a traceback for something a person can mend.
"""

import argparse
import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

from meterseal_proto.clock import VARIABLE, ClockRate
from meterseal_sim import faults, listing
from meterseal_sim.catalogue import profile, profiles
from meterseal_sim.refusal import Refused
from meterseal_sim.replay import Replay
from meterseal_sim.serve import close_all, lines_of, open_all
from meterseal_sim.shapes import DAY_S, Place
from meterseal_sim.street import Plan, Street, build

DEFAULT_PORT = 15020
"""Modbus' own 502 needs root; 15020 is where test benches put it."""
WEATHER = frozenset({"demandlib", "pandas", "pvlib"})
"""Packages that only an invented street needs."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the process ends with what this returns."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    options = _parser().parse_args(arguments)
    try:
        command: Callable[[argparse.Namespace], None] = options.command
        command(options)
    except Refused as trouble:
        print(f"meterseal-sim: {trouble}", file=sys.stderr)
        return 1
    except ModuleNotFoundError as trouble:
        package = (trouble.name or "").partition(".")[0]
        if package not in WEATHER:
            raise
        print(
            f"meterseal-sim: {package} is missing: pip install 'meterseal[sim]',"
            " or --replay a file, which needs no weather",
            file=sys.stderr,
        )
        return 1
    except KeyboardInterrupt:
        return 0
    return 0


def _street(options: argparse.Namespace) -> None:
    rate = _rate()
    replay = None
    if options.replay is not None:
        replay = Replay(
            file=options.replay,
            row=options.row,
            pv_scale=options.pv_scale,
            peak_load_kw=options.peak_load_kw,
            peak_pv_kw=options.peak_pv_kw,
        )
    start = _start(options.start, rate)
    plan = Plan(
        homes=options.homes,
        seed=options.seed,
        start=start,
        days=options.days,
        replay=replay,
        place=Place(options.latitude, options.longitude, options.utc_offset),
        faults=tuple(faults.parse(text, start) for text in options.fault),
    )
    asyncio.run(_serve(build(plan), options, rate))


def _meter(options: argparse.Namespace) -> None:
    rate = _rate()
    start = _start(options.start, rate)
    plan = Plan(
        homes=1,
        seed=options.seed,
        start=start,
        days=options.days,
        model=profile(options.profile).name,
        faults=tuple(faults.parse(text, start) for text in options.fault),
    )
    asyncio.run(_serve(build(plan), options, rate))


def _profiles(_options: argparse.Namespace) -> None:
    for name, found in profiles().items():
        print(f"{name:24} {found.title} ({found.document})")


def _registers(options: argparse.Namespace) -> None:
    content = listing.load(options.map)
    if options.quarters:
        print(json.dumps(listing.quarters(content)))
        return
    at = int(_rate().at(time.time())) if options.at is None else options.at
    print(json.dumps({"at": at, "registers": listing.truth(content, at)}, indent=1))


async def _serve(street: Street, options: argparse.Namespace, rate: ClockRate) -> None:
    """Serve until SIGTERM or Ctrl-C; the map is written once every port answers."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    lines = lines_of(
        street.homes, lambda: rate.at(time.time()), gateway=options.gateway
    )
    await open_all(lines, options.host, options.port)
    try:
        places = [
            (home, listing.Address(options.host, line.port, unit))
            for line in lines
            for unit, home in line.homes.items()
        ]
        if options.map is not None:
            listing.write(options.map, listing.document(street.plan, places))
        print(_welcome(street, places), flush=True)
        await stop.wait()
    finally:
        await close_all(lines)


def _welcome(street: Street, places: Sequence[tuple[object, listing.Address]]) -> str:
    ports = sorted({address.port for _, address in places})
    joined = ports[-1] - ports[0] == len(ports) - 1
    run = f"ports {ports[0]}-{ports[-1]}" if joined else f"{len(ports)} free ports"
    if len(ports) == 1:
        run = f"port {ports[0]}"
    asked = street.plan.homes
    meters = f"{len(places)} meter{'s' * (len(places) != 1)}"
    short = (
        f" (the file has no more; {asked} were asked)" if asked > len(places) else ""
    )
    return (
        f"{meters}{short} on {places[0][1].host} {run}, from {street.plan.start}"
        f" for {street.plan.days} day{'s' * (street.plan.days != 1)}"
    )


def _rate() -> ClockRate:
    try:
        return ClockRate.parse(os.environ.get(VARIABLE))
    except ValueError as trouble:
        raise Refused(str(trouble)) from None


def _start(asked: int | None, rate: ClockRate) -> int:
    """Return the asked start, or the UTC midnight before now."""
    if asked is not None:
        return asked
    return int(rate.at(time.time())) // DAY_S * DAY_S


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


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="meterseal-sim", description="Simulated electricity meters on Modbus TCP."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    street = commands.add_parser("street", help="a street of homes, one meter each")
    street.set_defaults(command=_street)
    _served(street)
    street.add_argument("--homes", type=int, default=24, help="default 24")
    _replayed(street)
    _placed(street)
    meter = commands.add_parser("meter", help="a single meter")
    meter.set_defaults(command=_meter, gateway=False)
    _served(meter)
    meter.add_argument("--profile", required=True, help="see `profiles`")
    listed = commands.add_parser("profiles", help="list the meter models")
    listed.set_defaults(command=_profiles)
    registers = commands.add_parser(
        "registers", help="print what the registers of a street must show, as JSON"
    )
    registers.set_defaults(command=_registers)
    registers.add_argument("--map", type=Path, required=True, metavar="FILE")
    registers.add_argument("--at", type=int, metavar="EPOCH", help="default now")
    registers.add_argument(
        "--quarters", action="store_true", help="print every quarter hour instead"
    )
    return parser


def _served(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seed", type=int, default=1, help="default 1")
    parser.add_argument(
        "--start", type=int, metavar="EPOCH", help="default: today, 0:00 UTC"
    )
    parser.add_argument("--days", type=int, default=1, help="default 1")
    parser.add_argument("--host", default="127.0.0.1", help="default 127.0.0.1")
    parser.add_argument(
        "--port", type=_port, default=DEFAULT_PORT, help="the first; 0: free ones"
    )
    parser.add_argument("--map", type=Path, metavar="FILE", help="write the map here")
    parser.add_argument(
        "--fault",
        action="append",
        default=[],
        metavar="HOME:KIND:FROM:TO[:AMOUNT[:CHANCE]]",
        help=f"seconds after the start; kinds: {', '.join(faults.Kind)}",
    )


def _replayed(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--gateway", action="store_true", help="one port, units 1 to 247 behind it"
    )
    parser.add_argument(
        "--replay", type=Path, metavar="FILE", help="CityLearn or SimBench homes"
    )
    parser.add_argument("--row", type=int, default=0, help="first data row, from 0")
    parser.add_argument(
        "--pv-scale", type=_positive, default=Fraction(1), help="times PV, e.g. 0.001"
    )
    parser.add_argument(
        "--peak-load-kw",
        type=_positive,
        default=Fraction(8),
        help="SimBench, default 8",
    )
    parser.add_argument(
        "--peak-pv-kw", type=_positive, default=Fraction(6), help="SimBench, default 6"
    )


def _placed(parser: argparse.ArgumentParser) -> None:
    here = Place()
    parser.add_argument("--latitude", type=float, default=here.latitude)
    parser.add_argument("--longitude", type=float, default=here.longitude)
    parser.add_argument(
        "--utc-offset", type=int, default=here.utc_offset_s, metavar="SECONDS"
    )


if __name__ == "__main__":
    sys.exit(main())
