"""The aggregator's configuration: TOML, overrides, and what refuses to start."""

from pathlib import Path

import pytest

from meterseal_aggregator.config import ConfigError, load
from meterseal_aggregator.translog.cosignatures import MAX_WITNESSES
from meterseal_proto.checkpoint import NoteKey
from meterseal_proto.cosignature import CosignerKey

SAMPLE = Path(__file__).parents[2] / "deploy" / "samples" / "aggregator.toml"


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DATABASE_URL", "REDIS_URL"):
        monkeypatch.delenv(name, raising=False)


def _file(folder: Path, text: str) -> Path:
    path = folder / "aggregator.toml"
    path.write_text(text)
    return path


def test_the_sample_loads_and_says_the_defaults() -> None:
    sample = load(SAMPLE)
    assert sample == load(None)
    assert (
        sample.database == "sqlite:////var/lib/meterseal-aggregator/aggregator.sqlite"
    )


def test_the_environment_overrides_one_key_of_a_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("METERSEAL_AGGREGATOR_WEB__PORT", "8443")
    config = load(_file(tmp_path, '[web]\nhost = "::1"\nport = 1\n'))
    assert (config.web.host, config.web.port) == ("::1", 8443)


def test_the_designs_own_database_name_is_an_alias(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "sqlite:////a/b")
    assert load(None).database == "sqlite:////a/b"
    mine = _file(tmp_path, 'database_url = "sqlite:////c"\n')
    assert load(mine).database == "sqlite:////c"


def test_redis_is_accepted_with_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://x")
    with pytest.warns(UserWarning, match="unused"):
        load(None)


BAD = {
    "colour = 1": "colour",
    "[web]\ncolour = 1": "web.colour",
    "[web]\nport = 70000": "web.port",
    '[web]\nport = "x"': "web.port",
    '[web]\nhost = "0.0.0.0"': "behind_proxy",
    '[mqtt]\nhost = "0.0.0.0"': "tls = true",
    '[mqtt]\nhost = "0.0.0.0"\ntls = true': "advertise",
    '[mqtt]\nbroker_url = "mqtt://example.org:1883"': "mqtts://",
    '[mqtt]\nbroker_url = "mqtts://user:word@example.org"': "broker_url",
    'network = "a/b"': "network",
    'data_dir = "here"': "absolute",
    'database_url = "mysql://x"': "database_url",
    "[jobs]\nsequence_s = 0": "sequence_s",
    "[jobs]\nsequence_s = nan": "sequence_s",
    "chain_id = -1": "chain_id",
    "not toml": "not TOML",
}


WITNESS = CosignerKey("trustee.example.org", bytes(range(32)))


def _witness(url: str, key: str = WITNESS.vkey, tls: str = "") -> str:
    return f'[[witnesses]]\nurl = "{url}"\nkey = "{key}"\n{tls}'


def test_witnesses_are_asked_at_their_prefix_and_pinned_by_their_key(
    tmp_path: Path,
) -> None:
    public = CosignerKey("witness.example/w1", bytes([1]) * 32)
    text = _witness("http://127.0.0.1:8450") + _witness(
        "https://witness.example/w1/", public.vkey
    )
    found = load(_file(tmp_path, text)).witnesses
    assert [one.key for one in found] == [WITNESS.vkey, public.vkey]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (_witness("http://trustee.example.org"), "https://"),
        (_witness("https://me:secret@trustee.example.org"), "url"),
        (_witness("trustee.example.org"), "url"),
        (_witness("https://t.example", NoteKey("w", bytes(32)).vkey), "key"),
        (_witness("https://t.example", WITNESS.vkey[:-4]), "key"),
        (_witness("https://t.example") * 2, "one witness"),
        (_witness("https://t.example", tls="[witnesses.tls]\nca = 'a'\n"), "tls"),
    ],
)
def test_a_witness_that_cannot_be_one_is_named(
    tmp_path: Path, text: str, says: str
) -> None:
    with pytest.raises(ConfigError, match=says):
        load(_file(tmp_path, text))


def test_no_more_witnesses_than_a_file_can_carry(tmp_path: Path) -> None:
    keys = [CosignerKey("w", bytes([n]) * 32).vkey for n in range(MAX_WITNESSES + 1)]
    text = "".join(_witness("https://w.example", key) for key in keys)
    with pytest.raises(ConfigError, match="witnesses"):
        load(_file(tmp_path, text))


@pytest.mark.parametrize("text", BAD)
def test_a_wrong_key_is_named(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match=BAD[text].replace(".", r"\.")):
        load(_file(tmp_path, text))


@pytest.mark.parametrize(
    "name", ["METERSEAL_AGGREGATOR_COLOUR", "METERSEAL_AGGREGATOR_WEB__COLOUR"]
)
def test_a_variable_that_overrides_nothing_is_refused(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "1")
    with pytest.raises(ConfigError, match=r"(?i)colour"):
        load(None)


def test_a_missing_file_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path / "none.toml")
