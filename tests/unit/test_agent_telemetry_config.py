"""Telemetry, metrics and health are off or safe until the configuration says more."""

import pytest

from meterseal_agent.config import DEFAULT_HEALTH_S, ConfigError, parse

PLAIN = """
data_dir = "/tmp/agent"
aggregator_url = "https://oracle.example.org"
"""
METER = """
[[meters]]
serial = "1"
profile = "eastron-sdm120"
host = "127.0.0.1"
capacity_w = 7400
"""


def test_nothing_is_published_or_listened_on_unless_asked_for() -> None:
    config = parse(PLAIN + METER, {})
    assert config.meters[0].telemetry_s == 0
    assert config.metrics_port is None
    assert config.health_s == DEFAULT_HEALTH_S


def test_what_is_asked_for_is_what_is_taken() -> None:
    text = "health_s = 60\n[metrics]\nport = 9108\n" + METER + "telemetry_s = 10\n"
    config = parse(PLAIN + text, {})
    assert (config.metrics_port, config.health_s) == (9108, 60)
    assert config.meters[0].telemetry_s == 10


@pytest.mark.parametrize(
    "text",
    [
        "[metrics]\nport = 0\n",
        '[metrics]\nport = 9108\nhost = "0.0.0.0"\n',
        "health_s = 1\n",
    ],
)
def test_what_could_not_work_is_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        parse(PLAIN + text + METER, {})
