"""The command says one line a claim, exits 0 or 1, and never stumbles."""

import json
from pathlib import Path

import pytest

from meterseal_proto.claims import Claim, Expectation, Verdict, holds
from meterseal_proto.verify import examine, main
from tests.support.evidence import GENESIS, a_bundle

ANYBODY = Expectation()


def test_an_anchor_can_be_required_and_is_then_missed() -> None:
    claims = examine(a_bundle().encode(), ANYBODY)
    assert holds(claims, require_anchor=False)
    assert not holds(claims, require_anchor=True)
    assert not holds((), require_anchor=False)
    unasked = (Claim("format", Verdict.PASS, "known"),)
    assert holds(unasked, require_anchor=False)
    assert not holds(unasked, require_anchor=True)


def test_a_network_that_was_not_named_is_unchecked_and_a_wrong_one_fails(
    bundle_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(bundle_file)]) == 0
    assert "UNCHECKED your-network" in capsys.readouterr().out
    for other in ("", "00" * 32, GENESIS.network.hex()[:-1]):
        assert main([str(bundle_file), "--network", other]) == 1
        assert "FAIL      your-network" in capsys.readouterr().out


@pytest.fixture
def bundle_file(tmp_path: Path) -> Path:
    path = tmp_path / "bundle.json"
    path.write_bytes(a_bundle().encode())
    return path


def test_the_command_prints_a_line_a_claim_and_exits_zero(
    bundle_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(bundle_file)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 11
    assert lines[-1].startswith("UNCHECKED anchor")


def test_the_command_speaks_json(
    bundle_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    network = GENESIS.network.hex()
    assert main([str(bundle_file), "--json", "--network", network]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["ok"] is True
    assert {"name", "text", "verdict"} == set(answer["claims"][0])


def test_a_missing_or_huge_file_is_one_line_and_exit_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    huge = tmp_path / "huge"
    with huge.open("wb") as file:
        file.truncate(1 << 40)
    for name in (str(tmp_path / "absent"), str(tmp_path), str(huge), "nul\x00byte"):
        assert main([name]) == 1
        out = capsys.readouterr().out
        assert out.startswith("FAIL")
        assert out.count("\n") == 1
