"""The tables of wires and duties: where we listen, whom we ask, how often.

A wire off this machine has TLS, or it is refused here. This module must never read a file.
"""

from pathlib import Path
from typing import Final, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, model_validator

from meterseal_proto.cosignature import parse_cosigner
from meterseal_proto.errors import Rejected
from meterseal_proto.loopback import is_loopback
from meterseal_proto.seedbox import TrusteeKey

MAX_RATERS: Final = 64
"""More cores than any machine has that bills a network."""
MAX_PERIOD_S: Final = 3600.0
"""Longest pause between two runs of a duty; the log's entries may wait a minute only."""


class ConfigError(Exception):
    """The configuration cannot be used; the text says which key and what to write."""


class Table(BaseModel):
    """A table of the file: it changes no more, and a key it does not know is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Tls(Table):
    """A server's own certificate chain and key, PEM files; the key 0600."""

    certificate: Path
    key: Path


class Web(Table):
    """Where the API listens; off loopback with TLS, or behind a proxy that has it."""

    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65_535)
    tls: Tls | None = None
    behind_proxy: bool = False

    @model_validator(mode="after")
    def _wire_is_safe(self) -> Self:
        if not (self.tls or self.behind_proxy or is_loopback(self.host)):
            raise ValueError(
                f"host {self.host} is not this machine: give [web.tls], or say"
                " behind_proxy = true where a proxy does TLS"
            )
        return self


class Mqtt(Table):
    """The embedded endpoint's address, or with `broker_url` how to speak to the broker.

    With `tls` the endpoint has a certificate of the device CA, which agents trust, for
    the host of `advertise`: the HOST:PORT agents are told. `broker_url` is
    mqtt://HOST:PORT on loopback, else mqtts://HOST:PORT; `broker_ca` is the device CA
    unless told otherwise.
    """

    host: str = "127.0.0.1"
    port: int = Field(default=1883, ge=0, le=65_535)
    tls: bool = False
    advertise: str | None = Field(default=None, pattern=r"^[^\s:]+:\d{1,5}$")
    broker_url: str | None = Field(default=None, pattern=r"^mqtts?://[^/\s@]+$")
    broker_ca: Path | None = None
    broker_tls: Tls | None = None
    client_id: str = "aggregator"
    username: str | None = None
    password_file: Path | None = None

    @model_validator(mode="after")
    def _wire_is_safe(self) -> Self:
        if self.broker_url is not None:
            parts = urlsplit(self.broker_url)
            if parts.scheme == "mqtt" and not is_loopback(parts.hostname or ""):
                raise ValueError(
                    f"broker_url {self.broker_url} is plain MQTT to another machine:"
                    " write mqtts://"
                )
        elif not (self.tls or is_loopback(self.host)):
            raise ValueError(f"host {self.host} is not this machine: say tls = true")
        elif self.tls and self.advertise is None:
            raise ValueError(
                "tls needs advertise = HOST:PORT, the name agents will know it by"
            )
        return self


class ClientTls(Tls):
    """Our certificate chain and key at somebody else's server, and the `ca` of that one."""

    ca: Path


class Trustee(Table):
    """One of the three trustees: its address, and NUMBER:BOX:SIGN as its `init` printed it.

    Plain http only on this machine; else `tls` holds the certificate it knows us by.
    """

    url: str = Field(pattern=r"^https?://[^/\s@]+/?$")
    key: str
    tls: ClientTls | None = None

    @model_validator(mode="after")
    def _wire_is_safe(self) -> Self:
        TrusteeKey.parse(self.key)
        parts = urlsplit(self.url)
        plain = parts.scheme == "http"
        if plain and not is_loopback(parts.hostname or ""):
            raise ValueError(f"url {self.url} is not this machine: write https://")
        if plain == (self.tls is not None):
            raise ValueError("give [trustees.tls] with https://, and not without")
        return self


class Witness(Table):
    """One who cosigns checkpoints (C2SP tlog-witness): its submission prefix and its key.

    `key` is NAME+ID+KEY. Plain http only on this machine; `tls` where it wants to know us
    by a certificate, or has one of an authority of its own.
    """

    url: str = Field(pattern=r"^https?://[^\s@?#]+$")
    key: str
    tls: ClientTls | None = None

    @model_validator(mode="after")
    def _wire_is_safe(self) -> Self:
        try:
            parse_cosigner(self.key)
        except Rejected as rejected:
            raise ValueError(f"key: {rejected.detail}") from None
        parts = urlsplit(self.url)
        if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
            raise ValueError(f"url {self.url} is not this machine: write https://")
        if parts.scheme == "http" and self.tls is not None:
            raise ValueError("give [witnesses.tls] with https://, and not without")
        return self


class Jobs(Table):
    """Real seconds between two runs of each background duty.

    `rating_processes` rate beside ours where more bills are due than one batch; 0: none do.
    """

    sequence_s: float = Field(default=1.0, gt=0, le=30)
    prove_s: float = Field(default=5.0, gt=0, le=MAX_PERIOD_S)
    vee_s: float = Field(default=2.0, gt=0, le=MAX_PERIOD_S)
    mint_s: float = Field(default=5.0, gt=0, le=MAX_PERIOD_S)
    anchor_s: float = Field(default=60.0, gt=0, le=MAX_PERIOD_S)
    totals_s: float = Field(default=60.0, gt=0, le=MAX_PERIOD_S)
    witness_s: float = Field(default=5.0, gt=0, le=MAX_PERIOD_S)
    errands_s: float = Field(default=5.0, gt=0, le=MAX_PERIOD_S)
    drive_s: float = Field(default=10.0, gt=0, le=MAX_PERIOD_S)
    follow_s: float = Field(default=5.0, gt=0, le=MAX_PERIOD_S)
    withdraw_s: float = Field(default=10.0, gt=0, le=MAX_PERIOD_S)
    market_s: float = Field(default=2.0, gt=0, le=MAX_PERIOD_S)
    settle_s: float = Field(default=10.0, gt=0, le=MAX_PERIOD_S)
    pack_s: float = Field(default=30.0, gt=0, le=MAX_PERIOD_S)
    bill_s: float = Field(default=60.0, gt=0, le=MAX_PERIOD_S)
    collect_s: float = Field(default=60.0, gt=0, le=MAX_PERIOD_S)
    notify_s: float = Field(default=10.0, gt=0, le=MAX_PERIOD_S)
    erase_s: float = Field(default=3600.0, gt=0, le=MAX_PERIOD_S)
    rating_processes: int = Field(default=0, ge=0, le=MAX_RATERS)
