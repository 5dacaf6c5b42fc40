"""The market's configuration: decimals exact to 1/10,000, and the design's own names."""

import dataclasses
from pathlib import Path

import pytest

from meterseal_aggregator.app.documents import open_desk, read_key
from meterseal_aggregator.config import Config, ConfigError, load
from meterseal_aggregator.config.aliases import ALIASES, UNUSED
from meterseal_aggregator.market.terms import MarketRules, Mock
from meterseal_aggregator.market.trust import TrustRules

KEY = "sk-not-a-real-one"


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DATABASE_URL", *ALIASES, *UNUSED):
        monkeypatch.delenv(name, raising=False)


def _load(folder: Path, text: str) -> Config:
    path = folder / "aggregator.toml"
    path.write_text(text)
    return load(path)


def test_nothing_said_is_the_rules_as_designed() -> None:
    config = load(None)
    assert config.market_rules() == MarketRules(TrustRules(), None)
    assert Config(demo=True).market_rules() == MarketRules(TrustRules(), Mock(8_500, 0))
    assert config.documents.key is None
    assert open_desk(config.documents).proposer is None


EVERY = """
[trust]
default_score = 0.31
default_limit_kwh = 12.5
success_bonus = "0.0501"
failure_penalty = 0.11
meter_bonus = 0.12
meter_bonus_fair = 0.07
cancel_penalty = 0.04
cancel_penalty_late = 0.09
cancel_window_minutes = 45
stake_micro = 5000000
[market]
discom_success_rate = 0.9
discom_seed = 7
"""


def test_every_number_of_trust_is_configuration(tmp_path: Path) -> None:
    rules = _load(tmp_path, "demo = true\n" + EVERY).market_rules()
    assert rules.trust == TrustRules(
        start=3_100,
        undeclared_wh=12_500,
        success=501,
        failure=1_100,
        meter=1_200,
        meter_fair=700,
        cancel=400,
        cancel_late=900,
        cancel_window_s=2_700,
        stake_micro=5_000_000,
    )
    assert rules.mock == Mock(9_000, 7)
    for field in dataclasses.fields(TrustRules):
        changed = getattr(rules.trust, field.name) != getattr(TrustRules(), field.name)
        assert changed, f"{field.name} is not configured"
    assert _load(tmp_path, EVERY).market_rules().mock is None


def test_a_bonus_takes_its_lesser_one_along(tmp_path: Path) -> None:
    text = "[trust]\nmeter_bonus = 0.05\ncancel_penalty = 0.2\n"
    rules = _load(tmp_path, text).trust.rules()
    assert (rules.meter, rules.meter_fair) == (500, 300)
    assert (rules.cancel, rules.cancel_late) == (2_000, 4_000)
    rules = _load(tmp_path, "[trust]\ncancel_penalty = 0.6\n").trust.rules()
    assert (rules.cancel, rules.cancel_late) == (6_000, 10_000)


NUMBERS = {
    "TRUST_DEFAULT_SCORE": ("0.2999", "start", 2_999),
    "TRUST_DEFAULT_LIMIT": ("20", "undeclared_wh", 20_000),
    "TRUST_SUCCESS_BONUS": ("0.0501", "success", 501),
    "TRUST_FAILURE_PENALTY": ("0.2", "failure", 2_000),
    "TRUST_METER_BONUS": ("0.15", "meter", 1_500),
    "TRUST_CANCEL_PENALTY": ("0.0001", "cancel", 1),
    "CANCEL_WINDOW_MINUTES": ("15", "cancel_window_s", 900),
}


@pytest.mark.parametrize("name", NUMBERS)
def test_the_designs_names_are_aliases(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    text, field, value = NUMBERS[name]
    monkeypatch.setenv(name, text)
    assert getattr(load(None).market_rules().trust, field) == value


def test_the_mocks_names_are_aliases(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISCOM_SUCCESS_RATE", "0.5")
    monkeypatch.setenv("METERSEAL_AGGREGATOR_DEMO", "true")
    assert load(None).market_rules().mock == Mock(5_000, 0)


@pytest.mark.parametrize(
    ("ms", "seconds"),
    [
        ("1", 0.001), ("1500", 1.5), ("60000", 60.0), ("3600000", 3600.0),
        ("100", 0.1), ("333", 0.333), ("10007", 10.007),
    ],
)  # fmt: skip
def test_milliseconds_become_the_seconds_they_are(
    monkeypatch: pytest.MonkeyPatch, ms: str, seconds: float
) -> None:
    monkeypatch.setenv("DISCOM_CHECK_INTERVAL_MS", ms)
    assert load(None).jobs.settle_s == seconds


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("TRUST_DEFAULT_SCORE", "0.30001"), ("TRUST_DEFAULT_SCORE", "1.0001"),
        ("TRUST_DEFAULT_SCORE", "-0.1"), ("TRUST_DEFAULT_SCORE", "NaN"),
        ("TRUST_DEFAULT_SCORE", "30 %"), ("TRUST_DEFAULT_SCORE", ""),
        ("TRUST_DEFAULT_LIMIT", "-1"), ("TRUST_DEFAULT_LIMIT", "ten"),
        ("TRUST_DEFAULT_LIMIT", "0.0001"), ("TRUST_DEFAULT_LIMIT", "Infinity"),
        ("TRUST_DEFAULT_LIMIT", "1000000.001"), ("TRUST_SUCCESS_BONUS", "0,05"),
        ("TRUST_FAILURE_PENALTY", "two"), ("TRUST_METER_BONUS", "0.10001"),
        ("TRUST_CANCEL_PENALTY", "1e99999999"), ("CANCEL_WINDOW_MINUTES", "-1"),
        ("CANCEL_WINDOW_MINUTES", "30.5"), ("CANCEL_WINDOW_MINUTES", "10081"),
        ("DISCOM_SUCCESS_RATE", "85"), ("DISCOM_SUCCESS_RATE", "0.85001"),
        ("DISCOM_CHECK_INTERVAL_MS", "0"), ("DISCOM_CHECK_INTERVAL_MS", "3600001"),
        ("DISCOM_CHECK_INTERVAL_MS", "1.5"), ("DISCOM_CHECK_INTERVAL_MS", "1" * 99),
        ("DEEPSEEK_BASE_URL", "api.deepseek.com"), ("DEEPSEEK_BASE_URL", "ftp://x"),
        ("DEEPSEEK_API_KEY", "two words"), ("DEEPSEEK_API_KEY", "a\nb"),
    ],
)  # fmt: skip
def test_a_variable_of_no_use_is_named_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch, name: str, text: str
) -> None:
    monkeypatch.setenv(name, text)
    with pytest.raises(ConfigError, match=f"^{name}: ") as caught:
        load(None)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", NUMBERS)
def test_our_own_names_win_over_the_designs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    alias, field = ALIASES[name], NUMBERS[name][1]
    monkeypatch.setenv(name, NUMBERS[name][0])
    text = f"[{alias.table}]\n{alias.key} = 1\n"
    one = _load(tmp_path, text).market_rules().trust
    assert getattr(one, field) in {10_000, 1_000, 60}
    monkeypatch.setenv(alias.ours, "0")
    none = _load(tmp_path, text).market_rules().trust
    assert getattr(none, field) == 0


def test_a_fault_of_our_own_variable_is_not_the_designs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TRUST_DEFAULT_SCORE", "0.3")
    monkeypatch.setenv("METERSEAL_AGGREGATOR_TRUST__DEFAULT_SCORE", "two")
    with pytest.raises(ConfigError, match=r"^environment: trust\.default_score: "):
        load(None)


@pytest.mark.parametrize("name", UNUSED)
def test_what_has_no_use_here_is_accepted_with_a_warning(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "x")
    with pytest.warns(UserWarning, match=f"{name} is accepted and unused"):
        load(None)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[trust]\ndefault_score = 0.30001", "trust.default_score: .* 4 decimals"),
        ("[trust]\ndefault_score = 3000", "trust.default_score: .* between 0 and 1"),
        ("[trust]\ndefault_score = true", "trust.default_score: write a decimal"),
        ("[trust]\ndefault_score = nan", "trust.default_score"),
        ("[trust]\nsuccess_bonus = [1]", "trust.success_bonus: write a decimal"),
        ("[trust]\ndefault_limit_kwh = -1", "trust.default_limit_kwh"),
        ("[trust]\nmeter_bonus = 0.05\nmeter_bonus_fair = 0.06", "at most meter_bonus"),
        ("[trust]\ncancel_penalty = 0.2\ncancel_penalty_late = 0.1", "at least"),
        ("[trust]\ncancel_window_minutes = 1.5", "trust.cancel_window_minutes"),
        ("[trust]\nstake_micro = -1", "trust.stake_micro"),
        ("[trust]\nscore = 1", "trust.score"),
        ("trust = 1", "trust"),
        ("[market]\ndiscom_success_rate = 1.1", "market.discom_success_rate"),
        ("[market]\ndiscom_seed = -1", "market.discom_seed"),
        ("[jobs]\nmarket_s = 0", "jobs.market_s"),
        ("[jobs]\nsettle_s = 3601", "jobs.settle_s"),
        ('[documents]\nkey = "sk"', "documents.key: a key is a secret"),
        ('[documents]\nbase_url = "http://api.example"', "write https://"),
        ('[documents]\nbase_url = "https://me@api.example"', "documents.base_url"),
        ('[documents]\nmodel = ""', "documents.model"),
    ],
)
def test_a_wrong_number_of_the_file_is_named(
    tmp_path: Path, text: str, says: str
) -> None:
    with pytest.raises(ConfigError, match=says):
        _load(tmp_path, text)


async def test_a_model_is_asked_where_a_key_says_so_and_the_key_is_never_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEEPSEEK_BASE_URL", "http://127.0.0.1:9/v1")
    assert open_desk(load(None).documents).proposer is None
    monkeypatch.setenv("DEEPSEEK_API_KEY", f" {KEY}\n")
    config = load(None)
    assert config.documents.base_url == "http://127.0.0.1:9/v1"
    assert KEY not in repr(config)
    desk = open_desk(config.documents)
    assert desk.proposer is not None
    assert KEY not in repr(desk)
    await desk.close()
    monkeypatch.setenv("DEEPSEEK_API_KEY", "")
    assert open_desk(load(None).documents).proposer is None


async def test_a_key_file_of_the_file_wins_over_the_designs_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "model.key"
    path.write_text(f"{KEY}\n")
    path.chmod(0o600)
    text = f'[documents]\nkey_file = "{path}"\n'
    monkeypatch.setenv("DEEPSEEK_API_KEY", "another")
    config = _load(tmp_path, text)
    assert config.documents.key is None
    desk = open_desk(config.documents)
    assert desk.proposer is not None
    await desk.close()
    monkeypatch.setenv("METERSEAL_AGGREGATOR_DOCUMENTS__KEY", "third")
    with pytest.raises(ConfigError, match="once"):
        _load(tmp_path, text)


def test_a_key_is_one_word_in_a_file_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "model.key"
    with pytest.raises(ConfigError, match="cannot read"):
        read_key(path)
    path.touch(0o600)
    for text in ("", "\n", "two words", "x" * 1_001, "schl\u00fcssel", "a\nb"):
        path.write_text(text)
        with pytest.raises(ConfigError, match="holds no key"):
            read_key(path)
    path.write_text(KEY)
    assert read_key(path) == KEY
    path.chmod(0o640)
    with pytest.raises(ConfigError, match="chmod 600"):
        read_key(path)
