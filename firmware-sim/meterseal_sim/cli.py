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
from meterseal_sim import assembly, listing, marking
from meterseal_sim.catalogue import profiles
from meterseal_sim.orders import parser
from meterseal_sim.refusal import Refused
from meterseal_sim.scenario import shelf, work
from meterseal_sim.scenario.model import Scenario
from meterseal_sim.scenario.read import Given
from meterseal_sim.serve.bus import Clock
from meterseal_sim.shapes import DAY_S
from meterseal_sim.stand import Stand, Wiring, stand_of
from meterseal_sim.street import Plan, Street, build

WRONG = 2
"""How `mark` ends when not everything was found."""
WEATHER = frozenset({"demandlib", "pandas", "pvlib"})
"""Packages that only an invented street needs."""
SCREEN = "textual"
"""The package that only the panel needs."""


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
        if package not in {*WEATHER, SCREEN}:
            raise
        other = ", or --replay a file, which needs no weather" * (package in WEATHER)
        print(
            f"meterseal-sim: {package} is missing: pip install 'meterseal[sim]'{other}",
            file=sys.stderr,
        )
        return 1
    except KeyboardInterrupt:
        return 0
    return 0


def _street(options: argparse.Namespace) -> None:
    rate = _rate()
    plan = assembly.street_plan(options, _start(options.start, rate))
    asyncio.run(_serve(build(plan), options, rate))


def _meter(options: argparse.Namespace) -> None:
    rate = _rate()
    plan = assembly.meter_plan(options, _start(options.start, rate))
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
        options.answer = _typed()
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


def _typed() -> str:
    try:
        return input("> ")
    except EOFError:
        raise Refused("nothing was typed: say --answer 'what you found'") from None


def _replay(options: argparse.Namespace) -> None:
    stand, what = assembly.captured(options, time.time)

    def say() -> None:
        print(f"{what} on {stand.posts[0].address(0).place}", flush=True)

    asyncio.run(_held(stand, say))


def _panel(options: argparse.Namespace) -> None:
    from meterseal_sim.panel.app import Panel

    given, status = _given(options), options.agent_status
    if options.file is not None:
        staged = shelf.opened(options.file, given)
        now, _ = _hands(staged)
        panel = Panel(
            work.stand_for(staged, now),
            now,
            lambda home: staged.meter(home).name,
            status,
        )
    else:
        rate, seed = _rate(), 1 if options.seed is None else options.seed
        street = build(Plan(options.homes, seed, _start(None, rate), 1))
        now = _running(rate)
        stand = stand_of(street.homes, now, Wiring(options.host, options.port))
        panel = Panel(stand, now, lambda home: f"home {home}", status)
    trouble = panel.run()
    if trouble is not None:
        raise Refused(trouble)


async def _serve(street: Street, options: argparse.Namespace, rate: ClockRate) -> None:
    """Serve until SIGTERM or Ctrl-C; the map is written once every line answers."""
    unit = getattr(options, "unit", 1)
    stand = stand_of(street.homes, _running(rate), assembly.wiring(options), unit=unit)

    def say() -> None:
        places = stand.places()
        if options.map is not None:
            listing.write(options.map, listing.document(street.plan, places))
        told = assembly.welcome(street, [address for _, address in places])
        print(told, flush=True)

    await _held(stand, say)


async def _put_up(staged: Scenario, map_file: Path | None) -> None:
    """Serve a scenario until SIGTERM or Ctrl-C."""
    now, shared = _hands(staged)
    stand = work.stand_for(staged, now)

    def say() -> None:
        places = stand.places()
        if map_file is not None:
            listing.write(map_file, listing.document(staged.plan, places))
        if shared is not None:
            print(f"export {VARIABLE}={shared.epoch!r},{shared.speed!r}")
        print(work.told(staged, places), flush=True)

    await _held(stand, say)


async def _held(stand: Stand, say: Callable[[], None]) -> None:
    """Hold a stand open until SIGTERM or Ctrl-C; `say` is called once it is."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    await stand.open()
    try:
        say()
        await stop.wait()
    finally:
        await stand.close()


def _hands(staged: Scenario) -> tuple[Clock, ClockRate | None]:
    """Return a scenario's clock, and what other programs must be told to share it.

    METERSEAL_CLOCK wins: a network that has a clock has one for everybody.
    """
    if os.environ.get(VARIABLE):
        return _running(_rate()), None
    hour = work.hour_of(staged, time.time())
    return (lambda: hour.at(time.time())), hour.shared()


def _running(rate: ClockRate) -> Clock:
    return lambda: rate.at(time.time())


def _given(options: argparse.Namespace | None) -> Given:
    folder = options.dir if options is not None and options.dir is not None else None
    return Given(
        today=int(time.time()) // DAY_S * DAY_S,
        folder=folder or Path(tempfile.gettempdir()) / "meterseal-sim",
        seed=None if options is None else options.seed,
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
    "panel": _panel,
}


if __name__ == "__main__":
    sys.exit(main())
