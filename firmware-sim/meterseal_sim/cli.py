"""`meterseal-sim`: a street of meters, or a single one, on every wire.

The only place that reads the environment, the clock and the command line. Must
never show a traceback for something a person can mend.
"""

import argparse
import asyncio
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from meterseal_proto.clock import VARIABLE, ClockRate
from meterseal_sim import capture, faults, listing, marking
from meterseal_sim.catalogue import profile, profiles
from meterseal_sim.listing import Address, AnyAddress
from meterseal_sim.orders import parser
from meterseal_sim.pace import Pace
from meterseal_sim.refusal import Refused
from meterseal_sim.replay import Replay
from meterseal_sim.scenario import shelf, work
from meterseal_sim.scenario.model import Scenario
from meterseal_sim.scenario.read import Given
from meterseal_sim.serve.lines import Device
from meterseal_sim.serve.protocols import SPOKEN
from meterseal_sim.serve.speakers import CaptureSpeaker
from meterseal_sim.shapes import DAY_S, Place
from meterseal_sim.stand import Stand, Wiring, spoken_stand, stand_of
from meterseal_sim.street import Plan, Street, build

WRONG = 2
"""How `mark` ends when not everything was found."""
WEATHER = frozenset({"demandlib", "pandas", "pvlib"})
"""Packages that only an invented street needs."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the process ends with what this returns."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    options = parser().parse_args(arguments)
    try:
        COMMANDS[options.command](options)
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


def _list(_options: argparse.Namespace) -> None:
    given = _given(None)
    for kind in (shelf.SCENARIOS, shelf.REHEARSALS):
        print(f"{kind}:")
        for name in shelf.names(kind):
            print(f"  {name:16} {shelf.shipped(kind, name, given).title}")


def _scenario(options: argparse.Namespace) -> None:
    staged = shelf.opened(options.file, _given(options))
    asyncio.run(_put_up(staged, options.map))


def _rehearse(options: argparse.Namespace) -> None:
    staged = shelf.shipped(shelf.REHEARSALS, options.name, _given(options))
    seed = f" --seed {options.seed}" if options.seed is not None else ""
    if staged.task is not None:
        print(f"{staged.title}\n\n{staged.task.text.strip()}\n")
    print(f"Then: meterseal-sim mark {options.name}{seed} --answer '...'\n")
    asyncio.run(_put_up(staged, None))


def _mark(options: argparse.Namespace) -> None:
    staged = shelf.shipped(shelf.REHEARSALS, options.name, _given(options))
    if staged.task is not None and options.answer is None:
        print(
            f"{staged.task.text.strip()}\nYou are asked: {', '.join(staged.task.asked)}"
        )
        options.answer = input("> ")
    marks = marking.mark(staged, options.answer)
    for one in marks:
        said = "not said" if one.said is None else one.said
        print(f"{one.fact:8} {said:20} {'right' if one.right else 'wrong'}")
    if options.show:
        print(f"the answer: {marking.solution(staged)}")
    right = sum(one.right for one in marks)
    print(f"{right} of {len(marks)} right")
    if right < len(marks):
        sys.exit(WRONG)


def _replay(options: argparse.Namespace) -> None:
    found = capture.telegrams(options.file, options.protocol, options.entry)
    usual = SPOKEN[options.protocol].pace
    options.bits = usual.bits
    options.baud = options.baud or usual.baud
    options.parity = options.parity or usual.parity
    stand = spoken_stand(
        [{}],
        time.time,
        _wiring(options),
        options.protocol,
        lambda _bus: CaptureSpeaker(found, once=options.once),
    )
    count = f"{len(found)} telegram{'s' * (len(found) != 1)}"
    asyncio.run(_say(stand, f"{count} of {options.file.name}"))


async def _say(stand: Stand, what: str) -> None:
    """Serve a stand without meters of a street until SIGTERM or Ctrl-C."""
    stop = _stop_signal()
    await stand.open()
    try:
        print(f"{what} on {stand.posts[0].address(0).place}", flush=True)
        await stop.wait()
    finally:
        await stand.close()


async def _put_up(staged: Scenario, map_file: Path | None) -> None:
    """Serve a scenario until SIGTERM or Ctrl-C."""
    hour = work.hour_of(staged, time.time())
    at = _rate().at if os.environ.get(VARIABLE) else hour.at
    stand = work.stand_for(staged, lambda: at(time.time()))
    shared = None if os.environ.get(VARIABLE) else hour.shared()
    stop = _stop_signal()
    await stand.open()
    try:
        places = stand.places()
        if map_file is not None:
            listing.write(map_file, listing.document(staged.plan, places))
        if shared is not None:
            print(f"export {VARIABLE}={shared.epoch!r},{shared.speed!r}")
        print(work.told(staged, places), flush=True)
        await stop.wait()
    finally:
        await stand.close()


def _given(options: argparse.Namespace | None) -> Given:
    folder = options.dir if options is not None and options.dir is not None else None
    return Given(
        today=int(time.time()) // DAY_S * DAY_S,
        folder=folder or Path(tempfile.gettempdir()) / "meterseal-sim",
        seed=None if options is None else options.seed,
    )


def _stop_signal() -> asyncio.Event:
    """Return what SIGTERM and Ctrl-C will set."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    return stop


async def _serve(street: Street, options: argparse.Namespace, rate: ClockRate) -> None:
    """Serve until SIGTERM or Ctrl-C; the map is written once every line answers."""
    stop = _stop_signal()
    unit = getattr(options, "unit", 1)
    stand = stand_of(
        street.homes, lambda: rate.at(time.time()), _wiring(options), unit=unit
    )
    await stand.open()
    try:
        places = stand.places()
        if options.map is not None:
            listing.write(options.map, listing.document(street.plan, places))
        print(_welcome(street, [address for _, address in places]), flush=True)
        await stop.wait()
    finally:
        await stand.close()


def _wiring(options: argparse.Namespace) -> Wiring:
    device = None
    if options.serial is not None:
        device = Device(options.serial, real=True)
    elif options.pty is not None:
        device = Device(str(options.pty), strict=options.strict)
    return Wiring(
        host=options.host,
        port=options.port,
        gateway=options.gateway,
        rtu=options.framing == "rtu",
        pace=Pace(
            options.baud, getattr(options, "bits", 8), options.parity, options.stop
        ),
        device=device,
        interval_s=getattr(options, "interval", None),
    )


def _welcome(street: Street, places: Sequence[AnyAddress]) -> str:
    asked = street.plan.homes
    meters = f"{len(places)} meter{'s' * (len(places) != 1)}"
    short = (
        f" (the file has no more; {asked} were asked)" if asked > len(places) else ""
    )
    return (
        f"{meters}{short} on {_run(places)}, from {street.plan.start}"
        f" for {street.plan.days} day{'s' * (street.plan.days != 1)}"
    )


def _run(places: Sequence[AnyAddress]) -> str:
    """Say where the meters answer: a device, a port, or a run of ports."""
    first = places[0]
    if not isinstance(first, Address):
        return first.place
    ports = sorted({place.port for place in places if isinstance(place, Address)})
    joined = ports[-1] - ports[0] == len(ports) - 1
    run = f"ports {ports[0]}-{ports[-1]}" if joined else f"{len(ports)} free ports"
    if len(ports) == 1:
        run = f"port {ports[0]}"
    return f"{first.host} {run}"


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


COMMANDS: Mapping[str, Callable[[argparse.Namespace], None]] = {
    "street": _street,
    "meter": _meter,
    "profiles": _profiles,
    "registers": _registers,
    "list": _list,
    "scenario": _scenario,
    "rehearse": _rehearse,
    "mark": _mark,
    "replay": _replay,
}


if __name__ == "__main__":
    sys.exit(main())
