"""The configured meters as the bus and the sampler take them.

    wired = wire(config.meters, times)                     # ConfigError
    wired = wire(new.meters, times, before=wired)          # a reload: see below
    bus.replace(stations(wired, ids, times))
    for line in left(before, wired): line.close()

On a reload a meter whose configuration and profile are as before keeps its port, and
lines that are as before stay open: nothing of theirs is lost. What no meter uses any
more is in `left`; it is closed once the bus has let go of it. Nothing here opens a line:
lines open themselves when first read.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from meterseal_agent.config import ConfigError, LineConfig, MeterConfig
from meterseal_agent.meters.bus import Station
from meterseal_agent.meters.port import Meter
from meterseal_agent.meters.profile import Profile, load, load_file
from meterseal_agent.meters.registers import Sample
from meterseal_agent.outbox.model import Start
from meterseal_agent.run import adapters
from meterseal_agent.run.adapters import Held
from meterseal_agent.run.times import Times
from meterseal_agent.sampler import Rules
from meterseal_proto.errors import Unavailable
from meterseal_proto.units import MeterId, RegisterId, obis_text


@dataclass(frozen=True, slots=True)
class Wired:
    """A configured meter and the port to read it by.

    `profile` is None for meters that tell by themselves what they count. `timeout_s` is
    the most one reading of a silent meter takes, in real seconds.
    """

    config: MeterConfig
    profile: Profile | None
    port: Meter
    line: Held
    timeout_s: float

    @property
    def model(self) -> str:
        """What it is enrolled as: its profile's name, or its protocol."""
        return self.config.speech if self.profile is None else self.profile.name


def wire(
    meters: Sequence[MeterConfig], times: Times, before: Sequence[Wired] = ()
) -> list[Wired]:
    """Return every meter with its port; ConfigError when a profile does not fit."""
    kept = {one.config.serial: one for one in before}
    lines: dict[LineConfig, Held] = {one.config.line: one.line for one in before}
    wired = []
    for meter in meters:
        profile = _profile(meter)
        old = kept.get(meter.serial)
        if old is not None and (old.config, old.profile) == (meter, profile):
            wired.append(old)
            continue
        made = adapters.make(meter, profile, lines.get(meter.line), times)
        if meter.speech.shared:
            lines[meter.line] = made.line
        wired.append(Wired(meter, profile, made.port, made.line, made.timeout_s))
    return wired


def left(before: Sequence[Wired], after: Sequence[Wired]) -> list[Held]:
    """Return the lines that no meter of `after` uses any more."""
    used = {id(one.line) for one in after}
    gone = {id(one.line): one.line for one in before if id(one.line) not in used}
    return list(gone.values())


def stations(
    wired: Sequence[Wired], ids: Mapping[str, MeterId], times: Times
) -> list[Station]:
    """Return the bus's stations; a silent meter costs its line one timeout."""
    return [
        Station(
            meter=ids[w.config.serial],
            port=w.port,
            line=w.config.queue,
            period_s=w.config.period_s,
            timeout_s=w.timeout_s * times.rate.speed,
        )
        for w in wired
    ]


def sealed(wired: Wired, sample: Sample) -> dict[RegisterId, int]:
    """Return a sample's sealed registers; Unavailable when one of them has no value."""
    for register in wired.config.registers:
        if register not in sample.values:
            why = sample.unavailable.get(register, "no value")
            raise Unavailable(f"{obis_text(register)}: {why}")
    return {register: sample.values[register] for register in wired.config.registers}


def rules(
    wired: Wired, starts: Sequence[Start], times: Times
) -> dict[tuple[MeterId, RegisterId], Rules]:
    """Return how each enrolled register of a meter is judged."""
    return {
        (start.meter, start.register): Rules(
            meter=start.meter,
            register=start.register,
            step=start.step,
            max_per_hour=start.capacity_w,
            lateness_limit_s=wired.config.lateness_limit_s,
            timing_s=2 * times.slack,
            rollover=_rollover(wired.profile, start.register),
            private=bool(start.bits),
        )
        for start in starts
    }


def _rollover(profile: Profile | None, register: RegisterId) -> int | None:
    return None if profile is None else profile.point(register).rollover


def _profile(meter: MeterConfig) -> Profile | None:
    if not meter.profile:
        return None
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
