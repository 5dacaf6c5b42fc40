"""Reading the configuration: TOML, overridden by the environment, checked to the last key.

`METERSEAL_AGENT_BROKER__HOST=...` overrides `host` of table `[broker]`. It must never
go on with a configuration that is half understood.
"""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from meterseal_agent.config.fields import choice, integer
from meterseal_agent.config.meters import meters
from meterseal_agent.config.model import (
    DEFAULT_HEALTH_S,
    SHORTEST_BILL_DAYS,
    BrokerConfig,
    Config,
    ConfigError,
)
from meterseal_agent.config.private import LONGEST_BILL_DAYS, trustees, witness, zone
from meterseal_agent.config.resident import resident
from meterseal_agent.meters.table import BadTable, Table
from meterseal_agent.uplink.address import Protocol
from meterseal_proto.keys import Algorithm
from meterseal_proto.loopback import is_loopback

PREFIX: Final = "METERSEAL_AGENT_"
DEFAULT_DATA: Final = "/var/lib/meterseal-agent"


def load(path: Path, environment: Mapping[str, str]) -> Config:
    """Return the configuration in `path`, overridden by `environment`.

    Raises ConfigError with one sentence for the first thing that is wrong.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8 at byte {error.start}") from error
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
    data_dir = _folder(table, "data_dir", DEFAULT_DATA)
    found = meters(table, data_dir)
    days = zone(table, found)
    config = Config(
        data_dir=data_dir,
        aggregator_url=_url(table),
        aggregator_ca=Path(table.text("aggregator_ca"))
        if table.has("aggregator_ca")
        else None,
        algorithm=choice(table, "algorithm", Algorithm, Algorithm.SECP256K1),
        log_level=_level(table),
        assume_clock=table.flag("assume_clock") if table.has("assume_clock") else False,
        broker=_broker(table.table("broker"))
        if table.has("broker")
        else BrokerConfig(),
        meters=found,
        metrics_port=_metrics(table),
        health_s=integer(table, "health_s", DEFAULT_HEALTH_S, low=10, high=86_400),
        zone=days,
        witness=witness(table),
        trustees=trustees(table),
        shortest_bill_days=integer(
            table,
            "shortest_bill_days",
            SHORTEST_BILL_DAYS,
            low=1,
            high=LONGEST_BILL_DAYS,
        ),
        net_purchases=table.flag("net_purchases")
        if table.has("net_purchases")
        else True,
        resident=resident(table, days),
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


def _broker(table: Table) -> BrokerConfig:
    broker = BrokerConfig(
        host=table.text("host") if table.has("host") else None,
        port=table.integer("port", low=1, high=65535) if table.has("port") else None,
        tls=table.flag("tls") if table.has("tls") else None,
        protocol=choice(table, "protocol", Protocol, Protocol.V5),
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
