"""The agent's configuration: one frozen model, from TOML and the environment.

Unknown keys, wrong types and impossible values refuse to start, each with one sentence
that says where and what to do. Only the composition root reads this; it must never hold
a secret.

    config = load(Path("/etc/meterseal/agent.toml"), os.environ)    # ConfigError
"""

from meterseal_agent.config.model import (
    DEFAULT_HEALTH_S,
    BrokerConfig,
    Config,
    ConfigError,
    Edge,
    End,
    Framing,
    LineConfig,
    Log,
    MeterConfig,
    Program,
    PulseConfig,
    Speech,
    Supply,
)
from meterseal_agent.config.read import DEFAULT_DATA, PREFIX, load, parse

__all__ = [
    "DEFAULT_DATA",
    "DEFAULT_HEALTH_S",
    "PREFIX",
    "BrokerConfig",
    "Config",
    "ConfigError",
    "Edge",
    "End",
    "Framing",
    "LineConfig",
    "Log",
    "MeterConfig",
    "Program",
    "PulseConfig",
    "Speech",
    "Supply",
    "load",
    "parse",
]
