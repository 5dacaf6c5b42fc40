"""The trustee's configuration: one frozen model, from TOML and the environment.

`METERSEAL_TRUSTEE_WEB__PORT=8450` overrides `port` of table `[web]`. Unknown keys and
impossible values refuse to start, with one sentence that says where. Secrets are never in
it. Only the composition root reads this.
"""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from meterseal_proto.checkpoint import NoteKey, parse_vkey
from meterseal_proto.errors import Rejected
from meterseal_proto.loopback import is_loopback
from meterseal_proto.seedbox import TrusteeKey
from meterseal_proto.totals import SEEDS

PREFIX: Final = "METERSEAL_TRUSTEE_"
DEFAULT_DATA: Final = "/var/lib/meterseal-trustee"
TESTNET: Final = 0x80000000
"""Stacks' chain id for every network that is not the main one."""


class ConfigError(Exception):
    """The configuration cannot be used; the text says which key and what to write."""


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Tls(_Table):
    """Our certificate chain and key, PEM; the CA that signs callers; their common names."""

    certificate: Path
    key: Path
    client_ca: Path
    clients: tuple[str, ...] = Field(default=("aggregator",), min_length=1)


class Web(_Table):
    """Where the trustee listens: plain on this machine only, else with mutual TLS."""

    host: str = "127.0.0.1"
    port: int = Field(default=8450, ge=0, le=65_535)
    tls: Tls | None = None

    @model_validator(mode="after")
    def _wire_is_safe(self) -> Self:
        if self.tls is None and not is_loopback(self.host):
            raise ValueError(f"host {self.host} is not this machine: give [web.tls]")
        return self


class Config(BaseSettings):
    """All of it.

    `number` is which of the three trustees this is, `network` the 64 hex digits of the
    network's id. `trustees` are the keys of all three in order, NUMBER:BOX:SIGN as each
    one's `init` printed them: compare them by telephone, not by mail from the operator.
    `log_key` is the network's log, NAME+ID+KEY, whose checkpoints we cosign; none without.
    `witness_name` is our name in cosignatures, for ever: a URL without its scheme.
    """

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", env_prefix=PREFIX, env_nested_delimiter="__"
    )

    number: int = Field(ge=0, lt=SEEDS)
    network: str = Field(default="", pattern=r"^([0-9a-f]{64})?$")
    chain_id: int = Field(default=TESTNET, ge=0, lt=1 << 32)
    zone: str = "UTC"
    trustees: tuple[str, ...] = ()
    log_key: str = ""
    witness_name: str = Field(default="", pattern=r"^[^\s+\x00-\x1f]{0,200}$")
    countersign: Literal["by-hand", "at-once"] = "by-hand"
    data_dir: Path = Path(DEFAULT_DATA)
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    web: Web = Web()

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
    def _values_fit(self) -> Self:
        if not self.data_dir.is_absolute():
            raise ValueError(f"data_dir must be an absolute path, not {self.data_dir}")
        try:
            ZoneInfo(self.zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(
                f"zone {self.zone} is not known: write Europe/Berlin or so"
            ) from None
        self._pinned()
        if self.log_key:
            try:
                parse_vkey(self.log_key)
            except Rejected as error:
                raise ValueError(f"log_key: {error.detail}") from None
        return self

    def _pinned(self) -> tuple[TrusteeKey, ...]:
        keys = tuple(TrusteeKey.parse(text) for text in self.trustees)
        if keys and [key.number for key in keys] != list(range(SEEDS)):
            raise ValueError("trustees: three keys, numbers 0, 1 and 2 in this order")
        if len({key.sign for key in keys}) < len(keys):
            raise ValueError("trustees: three trustees have three different keys")
        return keys

    @property
    def pinned(self) -> tuple[TrusteeKey, ...]:
        """The three trustees' keys; ConfigError while they are not written down."""
        if not self.trustees:
            raise ConfigError("trustees: write the keys that the three inits printed")
        return self._pinned()

    @property
    def log(self) -> NoteKey | None:
        """The key of the log we witness, None for none."""
        return parse_vkey(self.log_key) if self.log_key else None

    @property
    def cosigner_name(self) -> str:
        """Our name in cosignatures."""
        return self.witness_name or f"meterseal/trustee-{self.number}"

    @property
    def network_id(self) -> bytes:
        """The network's id; ConfigError while it is not written down."""
        if not self.network:
            raise ConfigError("network: write the network's id, 64 hex digits")
        return bytes.fromhex(self.network)


def load(path: Path | None) -> Config:
    """Return the configuration in the file `path` (None: defaults), and the environment.

    Raises ConfigError with one sentence for the first thing that is wrong.
    """
    content = _file(path) if path is not None else {}
    _refuse_unknown(os.environ)
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
