"""The agent's configuration: one frozen model, from TOML and the environment.

`METERSEAL_AGENT_BROKER__HOST=...` overrides `host` of table `[broker]`. Unknown keys,
wrong types and impossible values refuse to start, each with one sentence that says
where and what to do. Only the composition root reads this. It must never hold a secret.
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar
from urllib.parse import urlsplit

from meterseal_agent.meters.table import BadTable, Table, as_table
from meterseal_agent.uplink.address import Protocol
from meterseal_proto.intervals import STEPS
from meterseal_proto.keys import Algorithm
from meterseal_proto.loopback import is_loopback
from meterseal_proto.units import EXPORT, IMPORT, RegisterId, obis_text, parse_obis

_T = TypeVar("_T", Algorithm, Protocol)

PREFIX: Final = "METERSEAL_AGENT_"
MAX_METERS: Final = 247
"""Meters of one agent: the unit addresses of one RS-485 bus."""
MAX_REGISTERS: Final = 4
"""Registers sealed of one meter: import and export, or one volume, and room."""
MAX_CAPACITY_W: Final = 10**9
MAX_SERIAL: Final = 64
DEFAULT_DATA: Final = "/var/lib/meterseal-agent"
DEFAULT_STEP: Final = 900
DEFAULT_PERIOD_S: Final = 10
"""Seconds between readings: a slot boundary is then met within ten."""
DEFAULT_HEALTH_S: Final = 300
"""Seconds between two signed health records: an operator looks within minutes."""
MAX_TELEMETRY_S: Final = 3_600
"""Telemetry rarer than hourly says less than the sealed intervals do."""


class ConfigError(Exception):
    """The configuration cannot be used; the text says which key and what to write."""


@dataclass(frozen=True, slots=True)
class MeterConfig:
    """One meter: what it is, where it answers, what is sealed of it.

    `profile` names a shipped profile or, with a slash, a file. `period_s` and
    `lateness_limit_s` are in seconds of the network's clock, and so is `telemetry_s`,
    the least time between two samples kept as telemetry; 0 keeps none.
    """

    serial: str
    profile: str
    host: str
    port: int
    unit: int
    capacity_w: int
    period_s: int
    lateness_limit_s: int
    step: int
    registers: tuple[RegisterId, ...]
    telemetry_s: int = 0


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
    the real seconds between two signed health records.
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

    @property
    def registers(self) -> int:
        """How many registers are sealed in all."""
        return sum(len(meter.registers) for meter in self.meters)


def load(path: Path, environment: Mapping[str, str]) -> Config:
    """Return the configuration in `path`, overridden by `environment`.

    Raises ConfigError with one sentence for the first thing that is wrong.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from error
    return parse(text, environment, str(path))


def parse(text: str, environment: Mapping[str, str], where: str = "config") -> Config:
    """Return the configuration in TOML `text`; see `load`."""
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{where} is not TOML: {error}") from error
    try:
        _override(content, environment)
        return _config(Table(content, where))
    except ValueError as error:
        raise ConfigError(str(error)) from error


def _config(table: Table) -> Config:
    config = Config(
        data_dir=_folder(table, "data_dir", DEFAULT_DATA),
        aggregator_url=_url(table),
        aggregator_ca=Path(table.text("aggregator_ca"))
        if table.has("aggregator_ca")
        else None,
        algorithm=_choice(table, "algorithm", Algorithm, Algorithm.SECP256K1),
        log_level=_level(table),
        assume_clock=table.flag("assume_clock") if table.has("assume_clock") else False,
        broker=_broker(table.table("broker"))
        if table.has("broker")
        else BrokerConfig(),
        meters=_meters(table),
        metrics_port=_metrics(table),
        health_s=_integer(table, "health_s", DEFAULT_HEALTH_S, low=10, high=86_400),
    )
    table.done()
    return config


def _override(content: dict[str, object], environment: Mapping[str, str]) -> None:
    """Put `METERSEAL_AGENT_A__B=text` into table a, key b, as TOML would read it."""
    for name, text in sorted(environment.items()):
        if not name.startswith(PREFIX):
            continue
        *tables, key = name.removeprefix(PREFIX).lower().split("__")
        place = content
        for step in tables:
            inner = place.setdefault(step, {})
            if not isinstance(inner, dict):
                raise BadTable(f"{name}: {step} is no table that could be overridden")
            place = inner
        place[key] = _value(text)


def _value(text: str) -> object:
    """Read a TOML value; what is none, an address or a path, is a text as it stands."""
    try:
        value: object = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
    return value


def _folder(table: Table, key: str, default: str) -> Path:
    folder = Path(table.text(key) if table.has(key) else default)
    if not folder.is_absolute():
        raise BadTable(f"{table.where}: {key} must be an absolute path, not {folder}")
    return folder


def _url(table: Table) -> str:
    url = table.text("aggregator_url").rstrip("/")
    try:
        scheme, host = _place(url)
    except ValueError:
        raise BadTable(
            f"{table.where}: aggregator_url must be https://HOST or https://HOST:PORT"
        ) from None
    if scheme == "http" and not is_loopback(host):
        raise BadTable(
            f"{table.where}: aggregator_url must be https:// off this machine: "
            "enrolment carries a one-time code"
        )
    return url


def _place(url: str) -> tuple[str, str]:
    """Return scheme and host of a URL that holds no more than host, port and path."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    tail = "" if parts.port is None else f":{parts.port}"
    plain = parts.netloc.lower() in {f"{host}{tail}", f"[{host}]{tail}"}
    extra = parts.query or parts.fragment or not url.isprintable() or " " in url
    if not host or not plain or extra or parts.scheme not in {"http", "https"}:
        raise ValueError("not the URL of a server")
    return parts.scheme, host


def _level(table: Table) -> str:
    level = table.text("log_level") if table.has("log_level") else "info"
    if level not in {"debug", "info", "warning", "error"}:
        raise BadTable(
            f"{table.where}: log_level must be debug, info, warning or error"
        )
    return level


def _choice(table: Table, key: str, kind: type[_T], default: _T) -> _T:
    if not table.has(key):
        return default
    text = table.text(key)
    if text not in [str(choice) for choice in kind]:
        names = " or ".join(str(choice) for choice in kind)
        raise BadTable(f"{table.where}: {key} must be {names}, not {text!r}")
    return kind(text)


def _broker(table: Table) -> BrokerConfig:
    broker = BrokerConfig(
        host=table.text("host") if table.has("host") else None,
        port=table.integer("port", low=1, high=65535) if table.has("port") else None,
        tls=table.flag("tls") if table.has("tls") else None,
        protocol=_choice(table, "protocol", Protocol, Protocol.V5),
    )
    table.done()
    if broker.tls is False and broker.host and not is_loopback(broker.host):
        raise BadTable(
            f"{table.where}: host {broker.host} is not this machine:"
            " take tls = false out, readings cross a network with TLS only"
        )
    return broker


def _metrics(table: Table) -> int | None:
    if not table.has("metrics"):
        return None
    metrics = table.table("metrics")
    port = metrics.integer("port", low=1, high=65535)
    metrics.done()
    return port


def _meters(table: Table) -> tuple[MeterConfig, ...]:
    items = table.items("meters")
    if not 1 <= len(items) <= MAX_METERS:
        raise BadTable(f"{table.where}: give 1 to {MAX_METERS} [[meters]]")
    meters = tuple(
        _meter(as_table(item, f"{table.where}: meter {i}"))
        for i, item in enumerate(items, 1)
    )
    _distinct([m.serial for m in meters], f"{table.where}: serial")
    places = [f"{m.host}:{m.port} unit {m.unit}" for m in meters]
    _distinct(places, f"{table.where}: meters at")
    return meters


def _meter(table: Table) -> MeterConfig:
    period_s = _integer(table, "period_s", DEFAULT_PERIOD_S, low=1, high=900)
    meter = MeterConfig(
        serial=table.text("serial"),
        profile=table.text("profile"),
        host=table.text("host"),
        port=_integer(table, "port", 502, low=1, high=65535),
        unit=_integer(table, "unit", 1, low=0, high=255),
        capacity_w=table.integer("capacity_w", low=1, high=MAX_CAPACITY_W),
        period_s=period_s,
        lateness_limit_s=_integer(table, "lateness_limit_s", 60, low=1, high=900),
        step=_integer(table, "step", DEFAULT_STEP, low=min(STEPS), high=max(STEPS)),
        registers=_registers(table),
        telemetry_s=_integer(table, "telemetry_s", 0, low=0, high=MAX_TELEMETRY_S),
    )
    table.done()
    if meter.step not in STEPS:
        raise BadTable(f"{table.where}: step must be one of {STEPS} seconds")
    if period_s > meter.step:
        raise BadTable(f"{table.where}: period_s must not exceed step")
    if len(meter.serial) > MAX_SERIAL or not meter.serial.isprintable():
        raise BadTable(
            f"{table.where}: serial must be 1 to {MAX_SERIAL} printable characters"
        )
    return meter


def _registers(table: Table) -> tuple[RegisterId, ...]:
    if not table.has("registers"):
        return (IMPORT, EXPORT)
    found: list[RegisterId] = []
    for item in table.items("registers"):
        if not isinstance(item, str):
            raise BadTable(f"{table.where}: registers must be OBIS codes in quotes")
        found.append(parse_obis(item))
    if not 1 <= len(found) <= MAX_REGISTERS:
        raise BadTable(f"{table.where}: give 1 to {MAX_REGISTERS} registers")
    _distinct([obis_text(r) for r in found], f"{table.where}: register")
    return tuple(found)


def _integer(table: Table, key: str, default: int, *, low: int, high: int) -> int:
    return table.integer(key, low=low, high=high) if table.has(key) else default


def _distinct(texts: Sequence[str], what: str) -> None:
    for text in texts:
        if texts.count(text) > 1:
            raise BadTable(f"{what} {text} is given twice")
