"""The right adapter for each protocol, behind the Meter port.

An adapter is imported when a meter needs it: a Pi with Modbus meters only never loads
the decoders of the others. Nothing here may open a line.
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from meterseal_agent.config import (
    Edge,
    LineConfig,
    MeterConfig,
    Program,
    PulseConfig,
    Speech,
)
from meterseal_agent.meters.port import Meter
from meterseal_agent.meters.profile import Profile
from meterseal_agent.meters.wire import SerialPlace
from meterseal_agent.run.times import Times

if TYPE_CHECKING:
    from meterseal_agent.meters.modbus import Line
    from meterseal_agent.meters.telegrams.detect import Decoder

IDENT_DIGITS: Final = 8
"""An M-Bus address of eight digits is the number on the meter's plate."""

HAN_REST_S: Final = 0.5
"""What a reading of HAN leaves of its period, to be over before the next one is due."""
SYNC_S: Final = 1.0
"""What a memory card may take to sync a pulse count."""


class Held(Protocol):
    """What holds a device or a connection open, and can let go of it.

    `name` is where it is, for people.
    """

    name: str

    def close(self) -> None:
        """Let go; the next reading opens it again."""
        ...


class _Closes(Protocol):
    def close(self) -> None: ...


@dataclass(slots=True)
class _Own:
    """A line that is one meter's alone: the meter itself holds it."""

    name: str
    meter: _Closes

    def close(self) -> None:
        self.meter.close()


@dataclass(frozen=True, slots=True)
class Made:
    """A meter's port, the line it holds, and the most that a reading of it takes when it
    is silent, in real seconds."""

    port: Meter
    line: Held
    timeout_s: float


def make(
    meter: MeterConfig, profile: Profile | None, line: Held | None, times: Times
) -> Made:
    """Return a configured meter's adapter, on `line` where its line exists already."""
    match meter.speech:
        case Speech.MODBUS | Speech.MODBUS_RTU_OVER_TCP | Speech.SUNSPEC:
            return _modbus(meter, profile, line, times)
        case Speech.MBUS:
            return _mbus(meter, line)
        case Speech.D0_MODE_C:
            return _mode_c(meter, times)
        case Speech.DSMR | Speech.SML | Speech.D0 | Speech.HAN:
            return _stream(meter, times)
        case Speech.WMBUS:
            return _wmbus(meter, line, times)
        case Speech.PULSE:
            return _pulse(meter)


def _modbus(
    meter: MeterConfig, profile: Profile | None, line: Held | None, times: Times
) -> Made:
    from meterseal_agent.meters.modbus import TIMEOUT_S, Line, ModbusMeter, Timing

    timeout_s = meter.timeout_s or TIMEOUT_S
    timing = Timing(timeout_s, times.steady, meter.turnaround_s)
    on = line if isinstance(line, Line) else _line(meter.line)
    # A request is eight characters, and they are out before the unit is waited for.
    most_s = timeout_s + meter.turnaround_s + 8 * meter.line.place.char_s
    if profile is not None:
        return Made(ModbusMeter(on, meter.unit, profile, timing), on, most_s)
    from meterseal_agent.meters.modbus.sunspec import SunSpecMeter

    return Made(SunSpecMeter(on, meter.unit, meter.capacity_w, timing), on, most_s)


def _line(line: LineConfig) -> "Line":
    from meterseal_agent.meters.modbus import Line, RtuTransport, TcpTransport

    place = line.place
    if isinstance(place, SerialPlace) or line.rtu:
        return Line(RtuTransport(place))
    return Line(TcpTransport(place.host, place.port))


def _mbus(meter: MeterConfig, line: Held | None) -> Made:
    from meterseal_agent.meters import mbusline

    timeout_s = meter.timeout_s or mbusline.TIMEOUT_S
    on = line
    if not isinstance(on, mbusline.MbusLine):
        on = mbusline.MbusLine(meter.line.place, timeout_s)
    address: mbusline.Address = (
        mbusline.Secondary(meter.address)
        if len(meter.address) == IDENT_DIGITS
        else mbusline.Primary(int(meter.address))
    )
    port = mbusline.MbusMeter(on, address, meter.registers)
    return Made(port, on, port.silent_s)


def _mode_c(meter: MeterConfig, times: Times) -> Made:
    from meterseal_agent.meters.modec import ANSWER_S, ModeCMeter, Question
    from meterseal_agent.meters.stream import Want

    place = meter.line.place
    usual = Question()
    question = Question(
        meter.address,
        place.baud if isinstance(place, SerialPlace) else usual.baud,
        meter.timeout_s or ANSWER_S,
        times.steady,
    )
    want = Want(meter.registers, meter.capacity_w, meter.energy_unit)
    port = ModeCMeter(place, want, question)
    return Made(port, _Own(str(place), port), question.answer_s)


def _stream(meter: MeterConfig, times: Times) -> Made:
    from meterseal_agent.meters.stream import TIMEOUT_S, Patience, StreamMeter, Want

    usual_s = TIMEOUT_S
    if meter.speech is Speech.HAN:
        # Norway's meters tell energy once an hour: who stops listening misses it.
        usual_s = max(TIMEOUT_S, meter.period_s - HAN_REST_S)
    timeout_s = meter.timeout_s or usual_s
    port = StreamMeter(
        meter.line.place,
        decoder_of(meter),
        Want(meter.registers, meter.capacity_w, meter.energy_unit),
        Patience(timeout_s, times.steady),
    )
    return Made(port, _Own(str(meter.line.place), port), port.silent_s)


def decoder_of(meter: MeterConfig) -> "Decoder":
    """Return the decoder of a meter that speaks by itself, as its maker ships it or told."""
    from meterseal_agent.meters.telegrams.detect import Decoder, Format, decoder

    usual = decoder(Format(meter.speech.value))
    if meter.kamstrup_step_wh is None:
        return usual
    from meterseal_agent.meters.telegrams import han

    decode = partial(han.decode, kamstrup_step_wh=meter.kamstrup_step_wh)
    return Decoder(decode, usual.splitter)


def _wmbus(meter: MeterConfig, line: Held | None, times: Times) -> Made:
    from meterseal_agent.meters.linesource import Command, Followed
    from meterseal_agent.meters.wmbusline import TIMEOUT_S, WmbusLine, WmbusMeter
    from meterseal_agent.run.renewed import Radio, RadioMeter

    end = meter.line.end
    timeout_s = meter.timeout_s or TIMEOUT_S

    def receiver() -> WmbusLine:
        if isinstance(end, Program):
            return WmbusLine(Command(end.argv))
        return WmbusLine(Followed(Path(str(end))))

    def one(on: WmbusLine) -> WmbusMeter:
        return WmbusMeter(on, meter.address, meter.registers, timeout_s, times.steady)

    radio = line if isinstance(line, Radio) else Radio(str(end), receiver)
    return Made(RadioMeter(radio, one), radio, timeout_s)


def _pulse(meter: MeterConfig) -> Made:
    from meterseal_agent.meters.gpio import GpioEdges, GpioLine
    from meterseal_agent.meters.pulse import DEBOUNCE_S, Pulse, PulseMeter
    from meterseal_agent.run.renewed import Pulses

    end = meter.line.end
    if not isinstance(end, PulseConfig):
        raise TypeError(f"{end} is no pulse output")
    falling = end.edge is Edge.FALLING
    place = GpioLine(end.chip, end.pin, end.bias.value, falling)
    pulse = Pulse(
        meter.registers[0],
        end.weight,
        end.start,
        meter.capacity_w,
        DEBOUNCE_S if end.debounce_s is None else end.debounce_s,
    )
    port = Pulses(str(end), lambda: PulseMeter(GpioEdges(place), end.folder, pulse))
    return Made(port, port, SYNC_S)
