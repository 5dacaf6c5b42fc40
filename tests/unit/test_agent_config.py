"""The agent's configuration: one sentence for whatever is wrong with it."""

from dataclasses import replace
from pathlib import Path

import pytest

from meterseal_agent.config import BrokerConfig, Config, ConfigError, load, parse
from meterseal_agent.keystore import Keystore
from meterseal_agent.run.enrolment import address
from meterseal_agent.uplink.address import Protocol
from meterseal_proto.enrolment import EnrolmentAnswer
from meterseal_proto.keys import Algorithm
from meterseal_proto.units import EXPORT, IMPORT

SAMPLE = Path(__file__).parents[2] / "deploy" / "samples" / "agent.toml"
LEAST = """
aggregator_url = "https://oracle.example"
[[meters]]
serial = "1"
profile = "eastron-sdm120"
host = "10.0.0.5"
capacity_w = 10000
"""
ANSWER = EnrolmentAnswer(
    *("a1", "street", "", "", "", 1, "none", "", ""), (), "127.0.0.1:1883", True, ()
)


def test_the_shipped_sample_loads() -> None:
    config = load(SAMPLE, {})
    assert isinstance(config, Config)
    assert config.registers == 4


def test_the_least_configuration_has_safe_defaults() -> None:
    config = parse(LEAST, {})
    (meter,) = config.meters
    assert (meter.spot, meter.step) == ("10.0.0.5:502 unit 1", 900)
    assert meter.registers == (IMPORT, EXPORT)
    assert config.broker.protocol is Protocol.V5
    assert config.broker.tls is None
    assert config.algorithm is Algorithm.SECP256K1
    assert not config.assume_clock


def test_the_environment_overrides_the_file() -> None:
    config = parse(
        LEAST,
        {
            "METERSEAL_AGENT_BROKER__HOST": "127.0.0.2",
            "METERSEAL_AGENT_BROKER__PORT": "1883",
            "METERSEAL_AGENT_BROKER__TLS": "false",
            "METERSEAL_AGENT_BROKER__PROTOCOL": "3.1.1",
            "METERSEAL_AGENT_DATA_DIR": "/data/x",
            "UNRELATED": "1",
        },
    )
    assert (config.broker.host, config.broker.port) == ("127.0.0.2", 1883)
    assert config.broker.tls is False
    assert config.broker.protocol is Protocol.V311
    assert config.data_dir == Path("/data/x")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("colour = 1\n" + LEAST, "unknown key colour"),
        (LEAST + "colour = 1", "meter 1: unknown key colour"),
        (LEAST + "[broker]\ncolour = 1", "broker: unknown key colour"),
        (LEAST.replace("capacity_w = 10000", ""), "capacity_w is missing"),
        (LEAST.replace("10000", "0"), "capacity_w must be an integer from 1"),
        (LEAST.replace("10000", "true"), "capacity_w must be an integer"),
        (LEAST + "step = 600", "step must be one of"),
        (LEAST + "step = 300\nperiod_s = 301", "period_s must not exceed step"),
        (LEAST + 'registers = ["1.8"]', "no OBIS code"),
        (LEAST + "registers = []", "1 to 4 registers"),
        (LEAST + 'registers = ["1-0:1.8.0", "1-0:1.8.0"]', "given twice"),
        (LEAST + LEAST[LEAST.index("[[") :], "serial 1 is given twice"),
        (
            LEAST + LEAST[LEAST.index("[[") :].replace('"1"', '"2"'),
            "10.0.0.5:502 unit 1 is given twice",
        ),
        ('data_dir = "var"\n' + LEAST, "data_dir must be an absolute path"),
        (LEAST.replace("https", "ftp"), "must be https://HOST"),
        (LEAST.replace("https", "http"), "https:// off this machine"),
        ('algorithm = "rsa"\n' + LEAST, "secp256k1 or p256"),
        ('log_level = "loud"\n' + LEAST, "log_level must be"),
        ('aggregator_url = "https://x"\nmeters = []', r"1 to 247 \[\[meters\]\]"),
        ("=", "is not TOML"),
    ],
)
def test_what_is_wrong_is_said(change: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says) as caught:
        parse(change, {})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost.evil.example",
        "http://127.0.0.1.evil.example",
        "http://[::1].evil.example",
        "http://localhost@evil.example",
        "http://evil.example/http://localhost",
        "http://LOCALHOST.evil.example:80",
        "http://localhost\\t.evil.example",
        "https://",
        "https://x:99999",
        "https://[::1",
        "https://user:secret@oracle.example",
        "https://oracle.example?x=1",
        "https://oracle.example #x",
    ],
)
def test_a_url_that_only_looks_like_this_machine_or_is_none_is_refused(
    url: str,
) -> None:
    with pytest.raises(ConfigError, match="aggregator_url must be https://") as caught:
        parse(LEAST.replace("https://oracle.example", url), {})
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:8080",
        "http://127.0.0.1:8080",
        "http://[::1]:8080",
        "https://oracle.example:8443/street",
    ],
)
def test_plain_to_this_machine_and_https_anywhere_are_taken(url: str) -> None:
    config = parse(LEAST.replace("https://oracle.example", url + "/"), {})
    assert config.aggregator_url == url


@pytest.mark.parametrize("host", ["broker.evil.example", "10.0.0.5", "localhost.x"])
def test_a_plain_broker_on_another_machine_is_refused(host: str) -> None:
    with pytest.raises(ConfigError, match="is not this machine"):
        parse(LEAST + f'[broker]\nhost = "{host}"\ntls = false', {})


def test_an_enrolment_cannot_talk_an_agent_out_of_tls(tmp_path: Path) -> None:
    store = Keystore(tmp_path)
    answer = ANSWER
    for host, port in (("127.0.0.1", 1883), ("[::1]", 1883)):
        plain = replace(answer, broker=f"{host}:{port}", broker_tls=False)
        assert address(BrokerConfig(), plain, store).tls is None
    away = replace(answer, broker="broker.evil.example:1883", broker_tls=False)
    with pytest.raises(ConfigError, match="needs TLS"):
        address(BrokerConfig(), away, store)
    assert address(BrokerConfig(tls=True), away, store).tls is not None
    with pytest.raises(ConfigError, match="needs TLS"):
        address(BrokerConfig(tls=False), replace(away, broker_tls=True), store)


def test_an_unknown_variable_is_refused_too() -> None:
    with pytest.raises(ConfigError, match="unknown key hots"):
        parse(LEAST, {"METERSEAL_AGENT_BROKER__HOTS": "x"})


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        load(tmp_path / "agent.toml", {})
