"""The aggregator's configuration: one frozen model, from TOML and the environment.

`METERSEAL_AGGREGATOR_WEB__PORT=8443` overrides `port` of table `[web]`. Unknown keys and
impossible values refuse to start, with one sentence that says where. Secrets are never in
it, only the names of files that hold them. Only the composition root reads this.
"""

import os
import tomllib
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from meterseal_aggregator.stacks.outbox.accounts import ChainRole
from meterseal_aggregator.stacks.outbox.plan import DEPTH, MAX_DEPTH
from meterseal_aggregator.stacks.transaction import Network
from meterseal_aggregator.translog.cosignatures import MAX_WITNESSES
from meterseal_proto.c32 import Address, Principal
from meterseal_proto.cosignature import parse_cosigner
from meterseal_proto.errors import Rejected
from meterseal_proto.loopback import is_loopback
from meterseal_proto.seedbox import TrusteeKey
from meterseal_proto.totals import SEEDS

PREFIX: Final = "METERSEAL_AGGREGATOR_"
DEFAULT_DATA: Final = "/var/lib/meterseal-aggregator"
MAX_PERIOD_S: Final = 3600.0
"""Longest pause between two runs of a duty; the log's entries may wait a minute only."""
TESTNET: Final = 0x80000000
"""Stacks' chain id for every network that is not the main one."""
NO_REGISTRY: Final = "none"
"""A network founded before its contracts were; who verifies its anchors names them."""
MAINNET_NODES: Final = 2
"""Where Wh and money are real, one node's lie must not move them."""
MAX_FEE: Final = 100_000_000
"""100 STX for one transaction: whoever writes more has mistaken the unit."""


class ConfigError(Exception):
    """The configuration cannot be used; the text says which key and what to write."""


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Tls(_Table):
    """A server's own certificate chain and key, PEM files; the key 0600."""

    certificate: Path
    key: Path


class Web(_Table):
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


class Mqtt(_Table):
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


class Trustee(_Table):
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


class Witness(_Table):
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


class Stacks(_Table):
    """The chain: one node's RPC or two that must agree, and whose transactions we sign.

    `contracts` is the address that published ours, `key_file` holds the oracle's secret
    key in hex, 0600, and `[stacks.keys]` those of further roles; a file may serve several.
    `former_keys` finish what they signed before others took their place. A transaction
    pays at most `fee_cap` micro-STX; a block counts when `depth` others lie over it.
    """

    nodes: tuple[str, ...] = Field(min_length=1, max_length=2)
    contracts: str
    key_file: Path
    keys: dict[ChainRole, Path] = {}
    former_keys: tuple[Path, ...] = Field(default=(), max_length=20)
    fee_cap: int = Field(default=1_000_000, gt=0, le=MAX_FEE)
    depth: int = Field(default=DEPTH, ge=1, le=MAX_DEPTH)

    @model_validator(mode="after")
    def _oracle_has_one_key(self) -> Self:
        if ChainRole.ORACLE in self.keys:
            raise ValueError("the oracle's key is key_file, not one of [stacks.keys]")
        return self

    @model_validator(mode="after")
    def _wires_are_safe(self) -> Self:
        Address.parse(self.contracts)
        for url in self.nodes:
            parts = urlsplit(url)
            if parts.scheme not in ("http", "https") or not parts.hostname:
                raise ValueError(f"node {url}: write https://HOST")
            if parts.username is not None or parts.query or parts.fragment:
                raise ValueError("a node is https://HOST, without names or questions")
            if parts.port == 0:  # raises ValueError itself for what is no port
                raise ValueError("a node is https://HOST:PORT, from port 1 on")
            if parts.scheme == "http" and not is_loopback(parts.hostname):
                raise ValueError(f"node {url} is not this machine: write https://")
        if len(set(self.nodes)) < len(self.nodes):
            raise ValueError("two nodes that must agree are not the same one")
        return self


class Jobs(_Table):
    """Real seconds between two runs of each background duty."""

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


class Config(BaseSettings):
    """All of it.

    `network` is the name in topics and certificates. `registry` and `chain_id` are part
    of the genesis document, which is made once and never changes. `anchor_file` is
    where the file publisher writes, which proves nothing; with `stacks` roots are
    anchored on the chain instead. `trustees` are three or none.
    """

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", env_prefix=PREFIX, env_nested_delimiter="__"
    )

    network: str = Field(default="street", pattern=r"^[A-Za-z0-9_-]{1,64}$")
    data_dir: Path = Path(DEFAULT_DATA)
    database_url: str | None = Field(default=None, pattern=r"^sqlite:///.+")
    chain_id: int = Field(default=TESTNET, ge=0, lt=1 << 32)
    registry: str = Field(default=NO_REGISTRY, min_length=1, max_length=200)
    log_origin: str | None = Field(default=None, pattern=r"^[^\s+]{1,200}$")
    demo: bool = False
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    anchor_file: Path | None = None
    web: Web = Web()
    mqtt: Mqtt = Mqtt()
    jobs: Jobs = Jobs()
    trustees: tuple[Trustee, ...] = ()
    witnesses: tuple[Witness, ...] = Field(default=(), max_length=MAX_WITNESSES)
    stacks: Stacks | None = None

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Let the environment win over the file, and read nothing else."""
        return env_settings, init_settings

    @model_validator(mode="after")
    def _trustees_are_three(self) -> Self:
        keys = self.trustee_keys
        if keys and [key.number for key in keys] != list(range(SEEDS)):
            raise ValueError("trustees: all three, numbers 0, 1 and 2 in this order")
        if len({key.sign for key in keys} | {key.box for key in keys}) < 2 * len(keys):
            raise ValueError("trustees: three trustees have three different keys")
        return self

    @model_validator(mode="after")
    def _witnesses_differ(self) -> Self:
        keys = [parse_cosigner(one.key) for one in self.witnesses]
        if len({key.public for key in keys}) < len(keys):
            raise ValueError("witnesses: one key is written twice; it is one witness")
        return self

    @model_validator(mode="after")
    def _contracts_are_of_the_chain(self) -> Self:
        if self.stacks is not None:
            contracts = Address.parse(self.stacks.contracts)
            if contracts.mainnet != Network.of(self.chain_id).mainnet:
                raise ValueError("stacks: contracts is an address of another chain_id")
            if contracts.mainnet and len(self.stacks.nodes) < MAINNET_NODES:
                raise ValueError("stacks: on the main network two nodes must agree")
            # Whoever verifies asks the contract that the genesis document names.
            if self.registry != NO_REGISTRY and contracts != _named(self.registry):
                raise ValueError(f"registry: {contracts.text()}.user-registry, or none")
        return self

    @model_validator(mode="after")
    def _folder_is_absolute(self) -> Self:
        if not self.data_dir.is_absolute():
            raise ValueError(f"data_dir must be an absolute path, not {self.data_dir}")
        return self

    @property
    def trustee_keys(self) -> tuple[TrusteeKey, ...]:
        """The three trustees' keys, or none."""
        return tuple(TrusteeKey.parse(one.key) for one in self.trustees)

    @property
    def database(self) -> str:
        """The database's URL; by default a file in `data_dir`."""
        return self.database_url or f"sqlite:///{self.data_dir / 'aggregator.sqlite'}"

    @property
    def anchors(self) -> Path:
        """The file publisher's file."""
        return self.anchor_file or self.data_dir / "anchors.jsonl"

    @property
    def origin(self) -> str:
        """The log's origin, the first line of every checkpoint."""
        return self.log_origin or f"meterseal/{self.network}"


def _named(registry: str) -> Address:
    return Principal.parse(registry).address


def load(path: Path | None) -> Config:
    """Return the configuration in the file `path` (None: defaults), and the environment.

    Raises ConfigError with one sentence for the first thing that is wrong. Names of the
    design we follow (DATABASE_URL, REDIS_URL) are accepted where ours are not given.
    """
    content = _file(path) if path is not None else {}
    _refuse_unknown(os.environ)
    _take_aliases(content, os.environ)
    try:
        return Config(**content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "configuration"
        message = first["msg"].removeprefix("Value error, ")
        raise ConfigError(f"{path or 'environment'}: {where}: {message}") from None


def _file(path: Path) -> dict[str, Any]:  # as tomllib gives it
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not TOML: {error}") from None


def _refuse_unknown(environment: Mapping[str, str]) -> None:
    """Refuse a variable with our prefix that overrides nothing: a spelling mistake."""
    for name in environment:
        top = name.removeprefix(PREFIX).split("__")[0].lower()
        if name.startswith(PREFIX) and top not in Config.model_fields:
            raise ConfigError(f"{name}: there is no key {top!r} to override")


def _take_aliases(content: dict[str, Any], environment: Mapping[str, str]) -> None:
    ours = f"{PREFIX}DATABASE_URL"
    if "DATABASE_URL" in environment and ours not in environment:
        content.setdefault("database_url", environment["DATABASE_URL"])
    if "REDIS_URL" in environment:
        warnings.warn(
            "REDIS_URL is accepted and unused: the database keeps the queues",
            stacklevel=2,
        )
