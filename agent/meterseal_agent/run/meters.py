"""The configured meters as the bus and the sampler take them.

Meters behind one host and port share a line. It must never open a connection: lines
open themselves when first read.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from meterseal_agent.config import ConfigError, MeterConfig
from meterseal_agent.meters.bus import Station
from meterseal_agent.meters.modbus import (
    TIMEOUT_S,
    Line,
    ModbusMeter,
    TcpTransport,
    Timing,
)
from meterseal_agent.meters.profile import Profile, load, load_file
from meterseal_agent.outbox.model import Start
from meterseal_agent.run.times import Times
from meterseal_agent.sampler import Rules
from meterseal_proto.units import MeterId, RegisterId, obis_text


@dataclass(frozen=True, slots=True)
class Wired:
    """A configured meter with its profile and the port to read it by."""

    config: MeterConfig
    profile: Profile
    port: ModbusMeter
    line: Line


def wire(meters: Sequence[MeterConfig], times: Times) -> list[Wired]:
    """Return every meter with its port; ConfigError when a profile does not fit."""
    lines: dict[tuple[str, int], Line] = {}
    wired = []
    for meter in meters:
        profile = _profile(meter)
        line = lines.setdefault(
            (meter.host, meter.port), Line(TcpTransport(meter.host, meter.port))
        )
        port = ModbusMeter(line, meter.unit, profile, Timing(TIMEOUT_S, times.steady))
        wired.append(Wired(meter, profile, port, line))
    return wired


def stations(
    wired: Sequence[Wired], ids: Mapping[str, MeterId], times: Times
) -> list[Station]:
    """Return the bus's stations; a silent unit costs its line one timeout."""
    return [
        Station(
            meter=ids[w.config.serial],
            port=w.port,
            line=w.line.name,
            period_s=w.config.period_s,
            timeout_s=TIMEOUT_S * times.rate.speed,
        )
        for w in wired
    ]


def rules(
    wired: Wired, starts: Sequence[Start], times: Times
) -> dict[tuple[MeterId, RegisterId], Rules]:
    """Return how each enrolled register of a meter is judged."""
    found = {}
    for start in starts:
        point = wired.profile.point(start.register)
        found[start.meter, start.register] = Rules(
            meter=start.meter,
            register=start.register,
            step=start.step,
            max_per_hour=start.capacity_w,
            lateness_limit_s=wired.config.lateness_limit_s,
            timing_s=2 * times.slack,
            rollover=point.rollover,
        )
    return found


def _profile(meter: MeterConfig) -> Profile:
    try:
        if "/" in meter.profile:
            profile = load_file(Path(meter.profile))
        else:
            profile = load(meter.profile)
        points = [profile.point(register) for register in meter.registers]
    except (OSError, ValueError) as error:
        raise ConfigError(f"meter {meter.serial}: {error}") from error
    for point in points:
        if not point.unit.cumulative:
            raise ConfigError(
                f"meter {meter.serial}: register {obis_text(point.register)} does not "
                "count up, only registers that do can be sealed"
            )
    return profile.polling(meter.registers)
