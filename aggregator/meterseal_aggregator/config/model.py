"""The whole configuration: one frozen model of all tables, and what must fit together.

Secrets are never in the file, only the names of files that hold them. This module must
never read one.
"""

from pathlib import Path
from typing import Final, Literal, Self

from pydantic import Field, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from meterseal_aggregator.config.chain import Stacks
from meterseal_aggregator.config.market import Documents, Market, Trust
from meterseal_aggregator.config.notices import Notices
from meterseal_aggregator.config.tables import Jobs, Mqtt, Trustee, Web, Witness
from meterseal_aggregator.market.terms import MarketRules
from meterseal_aggregator.stacks.transaction import Network
from meterseal_aggregator.translog.cosignatures import MAX_WITNESSES
from meterseal_proto.c32 import Address, Principal
from meterseal_proto.cosignature import parse_cosigner
from meterseal_proto.seedbox import TrusteeKey
from meterseal_proto.totals import SEEDS

PREFIX: Final = "METERSEAL_AGGREGATOR_"
DEFAULT_DATA: Final = "/var/lib/meterseal-aggregator"
TESTNET: Final = 0x80000000
"""Stacks' chain id for every network that is not the main one."""
NO_REGISTRY: Final = "none"
"""A network founded before its contracts were; who verifies its anchors names them."""
MAINNET_NODES: Final = 2
"""Where Wh and money are real, one node's lie must not move them."""


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
    trust: Trust = Trust()
    market: Market = Market()
    documents: Documents = Documents()
    notices: Notices = Notices()

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

    def market_rules(self) -> MarketRules:
        """Return the numbers of trust, and the mock of unmetered points in a demo only."""
        return MarketRules(
            self.trust.rules(), self.market.mock() if self.demo else None
        )

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
