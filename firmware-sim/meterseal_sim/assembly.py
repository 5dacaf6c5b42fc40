"""What the words of the command line ask for: plans, wirings, stands, and a welcome.

Must never open a line or read a clock: `cli.py` does both.
"""

import argparse
from collections.abc import Sequence

from meterseal_sim import capture, faults
from meterseal_sim.catalogue import profile
from meterseal_sim.listing import Address, AnyAddress
from meterseal_sim.pace import Pace
from meterseal_sim.replay import Replay
from meterseal_sim.serve.bus import Clock
from meterseal_sim.serve.lines import Device
from meterseal_sim.serve.protocols import SPOKEN
from meterseal_sim.serve.speakers import CaptureSpeaker
from meterseal_sim.shapes import Place
from meterseal_sim.stand import Stand, Wiring, spoken_stand
from meterseal_sim.street import Plan, Street


def street_plan(options: argparse.Namespace, start: int) -> Plan:
    """Return the plan of `street`."""
    replay = None
    if options.replay is not None:
        replay = Replay(
            file=options.replay,
            row=options.row,
            pv_scale=options.pv_scale,
            peak_load_kw=options.peak_load_kw,
            peak_pv_kw=options.peak_pv_kw,
        )
    return Plan(
        homes=options.homes,
        seed=options.seed,
        start=start,
        days=options.days,
        replay=replay,
        place=Place(options.latitude, options.longitude, options.utc_offset),
        faults=tuple(faults.parse(text, start) for text in options.fault),
    )


def meter_plan(options: argparse.Namespace, start: int) -> Plan:
    """Return the plan of `meter`: a street of one home."""
    return Plan(
        homes=1,
        seed=options.seed,
        start=start,
        days=options.days,
        model=profile(options.profile).name,
        faults=tuple(faults.parse(text, start) for text in options.fault),
    )


def wiring(options: argparse.Namespace) -> Wiring:
    """Return how the options want meters wired."""
    return Wiring(
        host=options.host,
        port=options.port,
        gateway=options.gateway,
        rtu=options.framing == "rtu",
        pace=Pace(options.baud, 8, options.parity, options.stop),
        device=_device(options),
    )


def captured(options: argparse.Namespace, now: Clock) -> tuple[Stand, str]:
    """Return the stand of `replay`, and what it will say; raises Refused."""
    found = capture.telegrams(options.file, options.protocol, options.entry)
    usual = SPOKEN[options.protocol].pace
    wired = Wiring(
        host=options.host,
        port=options.port,
        pace=Pace(
            options.baud or usual.baud,
            usual.bits,
            options.parity or usual.parity,
            options.stop,
        ),
        device=_device(options),
        interval_s=options.interval,
    )
    stand = spoken_stand(
        [{}],
        now,
        wired,
        options.protocol,
        lambda _bus: CaptureSpeaker(found, once=options.once),
    )
    count = f"{len(found)} telegram{'s' * (len(found) != 1)}"
    return stand, f"{count} of {options.file.name}"


def welcome(street: Street, places: Sequence[AnyAddress]) -> str:
    """Return the sentence that says what answers, and where."""
    asked = street.plan.homes
    meters = f"{len(places)} meter{'s' * (len(places) != 1)}"
    short = (
        f" (the file has no more; {asked} were asked)" if asked > len(places) else ""
    )
    return (
        f"{meters}{short} on {_run(places)}, from {street.plan.start}"
        f" for {street.plan.days} day{'s' * (street.plan.days != 1)}"
    )


def _device(options: argparse.Namespace) -> Device | None:
    if options.serial is not None:
        return Device(options.serial, real=True)
    if options.pty is not None:
        return Device(str(options.pty), strict=options.strict)
    return None


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
