"""The trustee's configuration: TOML, overrides, and what refuses to start."""

import configparser
from pathlib import Path

import pytest

from meterseal_proto.checkpoint import NoteKey
from meterseal_proto.cosignature import CosignerKey
from meterseal_proto.seedbox import TrusteeKey
from meterseal_trustee.config import DEFAULT_DATA, ConfigError, load

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "deploy" / "samples" / "trustee.toml"
KEYS = [TrusteeKey(n, bytes([n]) * 32, bytes([n + 8]) * 32).text() for n in range(3)]


def _file(folder: Path, text: str) -> Path:
    path = folder / "trustee.toml"
    path.write_text(text)
    return path


def test_the_sample_loads_and_says_the_defaults(tmp_path: Path) -> None:
    sample = load(SAMPLE)
    plain = load(_file(tmp_path, 'number = 0\nzone = "Europe/Berlin"\n'))
    assert sample.model_copy(update={"network": ""}) == plain
    assert sample.countersign == "by-hand"


def test_what_others_say_first_may_be_missing_until_it_is_needed() -> None:
    sample = load(SAMPLE)
    with pytest.raises(ConfigError, match="trustees"):
        _ = sample.pinned
    bare = sample.model_copy(update={"network": ""})
    with pytest.raises(ConfigError, match="network"):
        _ = bare.network_id


def test_three_trustees_are_pinned_in_order(tmp_path: Path) -> None:
    config = load(_file(tmp_path, f"number = 1\ntrustees = {KEYS}\n"))
    assert [key.text() for key in config.pinned] == KEYS


def test_the_environment_overrides_one_key_of_a_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("METERSEAL_TRUSTEE_WEB__PORT", "8451")
    config = load(_file(tmp_path, 'number = 0\n[web]\nhost = "::1"\nport = 1\n'))
    assert (config.web.host, config.web.port) == ("::1", 8451)
    monkeypatch.setenv("METERSEAL_TRUSTEE_COLOUR", "1")
    with pytest.raises(ConfigError, match="COLOUR"):
        load(SAMPLE)


COSIGNER = CosignerKey("street.example/log", bytes(32))


def test_a_log_is_followed_by_its_plain_key_under_our_own_name(tmp_path: Path) -> None:
    bare = load(_file(tmp_path, "number = 2\n"))
    assert (bare.log, bare.cosigner_name) == (None, "meterseal/trustee-2")
    log = NoteKey("street.example/log", bytes(32))
    text = f'number = 2\nlog_key = "{log.vkey}"\nwitness_name = "north.example/w"\n'
    config = load(_file(tmp_path, text))
    assert (config.log, config.cosigner_name) == (log, "north.example/w")


TLS = 'certificate = "c"\nkey = "k"\n'
BAD = {
    "": "number",
    "number = 3": "number",
    "number = 0\ncolour = 1": "colour",
    "number = 0\n[web]\ncolour = 1": "web.colour",
    'number = 0\n[web]\nhost = "0.0.0.0"': "web.tls",
    f"number = 0\n[web.tls]\n{TLS}": "client_ca",
    f'number = 0\n[web.tls]\n{TLS}client_ca = "a"\nclients = []': "clients",
    'number = 0\nnetwork = "00"': "network",
    'number = 0\nzone = "Mars/Olympus"': "zone",
    'number = 0\nzone = "../etc"': "zone",
    'number = 0\ndata_dir = "here"': "absolute",
    'number = 0\ncountersign = "never"': "countersign",
    'number = 0\ntrustees = ["x"]': "NUMBER:BOX:SIGN",
    'number = 0\nlog_key = "street"': "log_key",
    f'number = 0\nlog_key = "{COSIGNER.vkey}"': "log_key",
    'number = 0\nwitness_name = "two words"': "witness_name",
    'number = 0\nwitness_name = "a+b"': "witness_name",
    f"number = 0\ntrustees = {KEYS[:2]}": "three keys",
    f"number = 0\ntrustees = {KEYS[::-1]}": "this order",
    f"number = 0\ntrustees = {[*KEYS[:2], '2' + KEYS[1][1:]]}": "different",
    "not toml": "not TOML",
}


@pytest.mark.parametrize("text", BAD)
def test_a_wrong_key_is_named(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match=BAD[text].replace(".", r"\.")):
        load(_file(tmp_path, text))


def test_the_unit_runs_what_the_defaults_expect() -> None:
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment] # the documented way to keep case
    unit.read_string((ROOT / "deploy/meterseal-trustee.service").read_text())
    service = unit["Service"]
    command, verb = service["ExecStart"].split()
    assert Path(command).name == "meterseal-trustee"
    assert verb == "serve"
    assert f"/var/lib/{service['StateDirectory']}" == DEFAULT_DATA
    assert (service["UMask"], service["StateDirectoryMode"]) == ("0077", "0700")
    assert service["ProtectSystem"] == "strict"


def test_what_the_sample_shows_in_comments_can_be_switched_on(tmp_path: Path) -> None:
    lines = []
    for line in SAMPLE.read_text().splitlines():
        bare = line.removeprefix("# ")
        shown = bare.startswith(
            ("trustees =", "[web.tls]", "certificate", "key", "client")
        )
        lines.append(bare if shown else line)
    names = '["0:BOX:SIGN", "1:BOX:SIGN", "2:BOX:SIGN"]'
    text = "\n".join(lines)
    assert names in text
    config = load(_file(tmp_path, text.replace(names, str(KEYS))))
    assert len(config.pinned) == 3
    assert config.web.tls is not None
    assert config.web.tls.clients == ("aggregator",)
