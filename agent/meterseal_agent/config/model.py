"""What the agent is told: frozen values, whole and checked when they get here.

Nothing in here reads a file; it must never hold a secret.
"""

from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from pathlib import Path
from typing import Final

from meterseal_agent.meters.wire import Place, SerialPlace, TcpPlace
from meterseal_agent.resident.address import Address
from meterseal_agent.uplink.address import Protocol
from meterseal_proto.keys import Algorithm
from meterseal_proto.units import EXPORT, RegisterId

DEFAULT_HEALTH_S: Final = 300
"""Seconds between two signed health records: an operator looks within minutes."""
SHORTEST_BILL_DAYS: Final = 27
"""A month is billed, February too where it begins a day late; a day tells when somebody
was at home."""


class ConfigError(Exception):
    """The configuration cannot be used; the text says which key and what to write."""


class Speech(StrEnum):
    """What a meter speaks: `protocol` of a meter."""

    MODBUS = "modbus"
    MODBUS_RTU_OVER_TCP = "modbus-rtu-over-tcp"
    SUNSPEC = "sunspec"
    DSMR = "dsmr"
    SML = "sml"
    D0 = "d0"
    D0_MODE_C = "d0-mode-c"
    MBUS = "mbus"
    HAN = "han"
    WMBUS = "wmbus"
    PULSE = "pulse"

    @property
    def modbus(self) -> bool:
        """Whether its units stand on a Modbus line."""
        return self in {Speech.MODBUS, Speech.MODBUS_RTU_OVER_TCP, Speech.SUNSPEC}

    def mixes(self, other: "Speech") -> bool:
        """Tell whether meters of both may stand on one line."""
        return self is other or (self.modbus and other.modbus)

    @property
    def shared(self) -> bool:
        """Whether several meters may stand on one line, told apart by an address."""
        return self.modbus or self in {Speech.MBUS, Speech.WMBUS}


class Framing(StrEnum):
    """How Modbus crosses a network: in frames of its own, or RTU passed through."""

    TCP = "tcp"
    RTU = "rtu"


class Supply(StrEnum):
    """What a meter counts: `kind` of a meter."""

    ELECTRICITY = "electricity"
    WATER = "water"
    HEAT = "heat"
    GAS = "gas"


class Bias(StrEnum):
    """What holds a pulse input when no pulse is on."""

    PULL_UP = "pull-up"
    PULL_DOWN = "pull-down"
    DISABLED = "disabled"
    AS_IS = "as-is"


class Edge(StrEnum):
    """Which edge of a pulse counts."""

    FALLING = "falling"
    RISING = "rising"


@dataclass(frozen=True, slots=True)
class PulseConfig:
    """A pulse output: its GPIO line, what a pulse is worth, where it is counted.

    `weight` is in Wh or litres a pulse, `start` the register's Wh or litres when
    counting began; `debounce_s` None is what the standard gives a pulse.
    """

    chip: str
    pin: int
    bias: Bias
    edge: Edge
    debounce_s: float | None
    weight: Fraction
    start: int
    folder: Path

    def __str__(self) -> str:
        return f"{self.chip} pin {self.pin}"


@dataclass(frozen=True, slots=True)
class Program:
    """A program that prints telegrams, without a shell."""

    argv: tuple[str, ...]

    def __str__(self) -> str:
        return " ".join(self.argv)


@dataclass(frozen=True, slots=True)
class Log:
    """A file or FIFO that a program leaves its telegrams in."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)


End = SerialPlace | TcpPlace | Program | Log | PulseConfig
"""What is at our end of a line."""


@dataclass(frozen=True, slots=True)
class LineConfig:
    """A line: what is at its end, and how long its meters are waited for.

    `timeout_s` None is what the protocol takes; `turnaround_s` is the silence its units
    want before a question. Both are real seconds.
    """

    name: str
    end: End
    framing: Framing = Framing.TCP
    timeout_s: float | None = None
    turnaround_s: float = 0.0

    @property
    def place(self) -> Place:
        """Where the wire is; TypeError where there is none (radio, pulses)."""
        if isinstance(self.end, SerialPlace | TcpPlace):
            return self.end
        raise TypeError(f"{self.end} is no wire")

    @property
    def rtu(self) -> bool:
        """Whether Modbus on it is RTU."""
        return isinstance(self.end, SerialPlace) or self.framing is Framing.RTU


@dataclass(frozen=True, slots=True)
class MeterConfig:
    """One meter: what it is, where it answers, what is sealed of it.

    `profile` names a shipped profile or, with a slash, a file; "" unless it speaks
    Modbus. `unit` is its Modbus address, `address` the one of other protocols, "" for
    none. `capacity_w` is in W, for water and gas in litres an hour. `period_s` and
    `lateness_limit_s` are in seconds of the network's clock, and so is `telemetry_s`,
    the least time between two samples kept as telemetry; 0 keeps none. `bits` is 0 where
    its intervals are told, else what its range proofs are of. `timeout_s` and
    `turnaround_s` are its line's unless it has its own. `energy_unit` is that of energies
    it tells without one, "" where it tells it; `kamstrup_step_wh` what one count of a
    Kamstrup meter is on HAN, None for what they are shipped with.
    """

    serial: str
    speech: Speech
    line: LineConfig
    profile: str
    unit: int
    address: str
    capacity_w: int
    period_s: int
    lateness_limit_s: int
    step: int
    registers: tuple[RegisterId, ...]
    telemetry_s: int = 0
    timeout_s: float | None = None
    turnaround_s: float = 0.0
    energy_unit: str = ""
    kamstrup_step_wh: int | None = None
    bits: int = 0

    def bits_of(self, register: RegisterId) -> int:
        """Return the bits of a register's range proofs; 0 for an open one.

        An export register is always open: only what is told can be certified and sold.
        """
        return 0 if register == EXPORT else self.bits

    @property
    def spot(self) -> str:
        """Where it stands on its line: no two meters may share it."""
        if self.speech.modbus:
            return f"{self.line.end} unit {self.unit}"
        return f"{self.line.end} address {self.address}" if self.address else self.queue

    @property
    def queue(self) -> str:
        """The meters it takes turns with: radio meters speak when they like."""
        if self.speech is Speech.WMBUS:
            return f"{self.line.name} address {self.address}"
        return self.line.name


@dataclass(frozen=True, slots=True)
class BrokerConfig:
    """What differs from the enrolment's answer; None takes what that says."""

    host: str | None = None
    port: int | None = None
    tls: bool | None = None
    protocol: Protocol = Protocol.V5


@dataclass(frozen=True, slots=True)
class Config:
    """All of it. `aggregator_ca` None trusts the system's authorities for enrolment.

    `metrics_port` is where Prometheus may ask on loopback, None for nowhere; `health_s`
    the real seconds between two signed health records. `trustees` are the fingerprints of
    the three that mask seeds are given to, () for none; `shortest_bill_days` is the least
    a bill on hidden usage is over; `net_purchases` whether neighbours' Wh are taken off it,
    which tells of each slot they sold in whether usage reached that. `zone` is the
    network's, "" where no meter is told by local days. `witness` is the pinned key,
    name+id+base64, of the one who must have cosigned a tariff's checkpoint; "" where no
    bill is to be signed. `resident` is where the resident's own page is, None for nowhere.
    """

    data_dir: Path
    aggregator_url: str
    aggregator_ca: Path | None
    algorithm: Algorithm
    log_level: str
    assume_clock: bool
    broker: BrokerConfig
    meters: tuple[MeterConfig, ...]
    metrics_port: int | None = None
    health_s: int = DEFAULT_HEALTH_S
    zone: str = ""
    witness: str = ""
    trustees: tuple[str, ...] = ()
    shortest_bill_days: int = SHORTEST_BILL_DAYS
    net_purchases: bool = True
    resident: Address | None = None

    @property
    def registers(self) -> int:
        """How many registers are sealed in all."""
        return sum(len(meter.registers) for meter in self.meters)
