"""The aggregator's configuration: one frozen model, from TOML and the environment.

    config = load(Path("/etc/meterseal/aggregator.toml"))

`METERSEAL_AGGREGATOR_WEB__PORT=8443` overrides `port` of table `[web]`. Unknown keys and
impossible values refuse to start, with one sentence that says where. Secrets are never in
the file, only the names of files that hold them. Only the composition root reads this.
"""

from meterseal_aggregator.config.chain import Stacks
from meterseal_aggregator.config.market import Documents, Market, Trust
from meterseal_aggregator.config.model import Config
from meterseal_aggregator.config.sources import load
from meterseal_aggregator.config.tables import (
    ClientTls,
    ConfigError,
    Jobs,
    Mqtt,
    Tls,
    Trustee,
    Web,
    Witness,
)

__all__ = [
    "ClientTls",
    "Config",
    "ConfigError",
    "Documents",
    "Jobs",
    "Market",
    "Mqtt",
    "Stacks",
    "Tls",
    "Trust",
    "Trustee",
    "Web",
    "Witness",
    "load",
]
