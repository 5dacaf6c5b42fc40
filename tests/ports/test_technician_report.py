"""`report`: signed JSON and a PDF of what is at the wall; made again later, and diffed."""

import asyncio
import builtins
import hashlib
import json
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from meterseal_agent.cli import main
from meterseal_agent.keystore import KeyEpoch, Keystore
from meterseal_proto.keys import Algorithm, PublicKey
from tests.support.technician_bench import HOST, MODEL, START, Bench, a_line

Captured = pytest.CaptureFixture[str]


class Office:
    """An agent's folder beside a line of meters, and the report command."""

    def __init__(self, folder: Path, bench: Bench, algorithm: Algorithm) -> None:
        self.folder = folder
        self.bench = bench
        self.config = folder / "agent.toml"
        meters = "".join(
            f'[[meters]]\nserial = "S{unit}"\nprofile = "{MODEL}"\nunit = {unit}\n'
            f'host = "{HOST}"\nport = {bench.port}\ncapacity_w = 9000\n'
            for unit in bench.homes
        )
        text = f'data_dir = "{folder / "data"}"\naggregator_url = "https://x"\n{meters}'
        self.config.write_text(text)
        Keystore(folder / "data").make(KeyEpoch(algorithm, 0))

    async def report(self, name: str, *options: str) -> int:
        told = ["--config", str(self.config), "--out", str(self.folder / name)]
        quick = ["--reads", "5"]
        return await asyncio.to_thread(main, ["report", *told, *quick, *options])

    def made(self, name: str) -> dict[str, object]:
        found: dict[str, object] = json.loads((self.folder / name).read_text())
        return found


@asynccontextmanager
async def an_office(
    folder: Path, *faults: str, algorithm: Algorithm = Algorithm.SECP256K1
) -> AsyncIterator[Office]:
    async with a_line([1, 2], *faults, rtu=False) as bench:
        bench.to_load(1_200, 9_000)
        yield Office(folder, bench, algorithm)


@pytest.mark.parametrize("algorithm", list(Algorithm))
async def test_a_report_is_signed_so_that_a_stranger_can_check_it(
    tmp_path: Path, algorithm: Algorithm
) -> None:
    async with an_office(tmp_path, algorithm=algorithm) as office:
        who = ("--technician", "Łucja Ångström", "--place", "Cellar 3")
        assert await office.report("first.json", *who) == 0
    made = office.made("first.json")
    # By hand, from the format's description alone.
    text = json.dumps(made["body"], sort_keys=True, separators=(",", ":"))
    digest = hashlib.sha256(b"meterseal/report/v1\x00" + text.encode("ascii")).digest()
    key, signature = made["key"], made["signature"]
    assert isinstance(key, dict)
    assert isinstance(signature, str)
    public = PublicKey.parse(key["algorithm"], bytes.fromhex(key["public"]))
    assert public.verify(digest, bytes.fromhex(signature))
    body = made["body"]
    assert isinstance(body, dict)
    assert body["technician"] == "Łucja Ångström"
    assert [meter["serial"] for meter in body["meters"]] == ["S1", "S2"]
    assert body["meters"][0]["quality"]["answered"] == 5
    assert set(body["meters"][0]["registers"]) == {"1-0:1.8.0", "1-0:2.8.0"}
    assert (tmp_path / "first.pdf").read_bytes().startswith(b"%PDF-")


async def test_a_report_that_was_changed_does_not_verify(
    tmp_path: Path, capsys: Captured
) -> None:
    async with an_office(tmp_path) as office:
        assert await office.report("first.json", "--no-pdf") == 0
    path = tmp_path / "first.json"
    assert main(["report", "--verify", str(path)]) == 0
    assert "not changed since" in capsys.readouterr().out
    text = path.read_text()
    assert '"technician": ""' in text
    path.write_text(text.replace('"technician": ""', '"technician": "me"'))
    assert main(["report", "--verify", str(path)]) == 1
    assert "its signature is wrong" in capsys.readouterr().err
    for junk in (b"", b"[]", b"{}", b'{"format": 1}', b"\xff", b"[" * 100_000):
        path.write_bytes(junk)
        assert main(["report", "--verify", str(path)]) == 1
        assert capsys.readouterr().err.count("\n") == 1


async def test_a_later_report_says_what_changed(
    tmp_path: Path, capsys: Captured
) -> None:
    async with an_office(tmp_path) as office:
        assert await office.report("old.json", "--no-pdf") == 0
        at = office.bench.at
    later = f"1:missing-phase:{at + 3_000 - START}::3"
    async with an_office(tmp_path, later) as office:
        office.bench.at = at + 3_600
        old = ("--diff", str(tmp_path / "old.json"))
        assert await office.report("new.json", "--no-pdf", *old) == 1
    out = capsys.readouterr().out
    assert "S1: new fault at L3: no voltage (0.0 V)" in out
    assert "S2: new fault" not in out
    assert "S1: 1-0:1.8.0 counted " in out
    assert "S1: line was" in out, "the port is another"
    async with an_office(tmp_path) as office:
        office.bench.at = at
        old = ("--diff", str(tmp_path / "new.json"))
        assert await office.report("third.json", "--no-pdf", *old) == 0
    out = capsys.readouterr().out
    assert "S1: mended at L3" in out
    assert "went back from" in out


async def test_a_report_holds_no_value_of_a_committed_meter(tmp_path: Path) -> None:
    async with an_office(tmp_path) as office:
        text = office.config.read_text()
        hidden = text.replace('serial = "S1"', 'serial = "S1"\nmode = "committed"')
        office.config.write_text(f'zone = "Europe/Berlin"\n{hidden}')
        assert await office.report("one.json") == 0
        body = office.made("one.json")["body"]
    assert isinstance(body, dict)
    private, told = body["meters"]
    assert private["registers"] == private["values"] == {}
    figures = re.compile(r"\d[\d.,]* ?(V|A|W|VA|mA|degrees|times)\b|factor")
    said = [row["text"] for row in private["findings"]]
    assert any("stays in the house" in text for text in said)
    assert not [text for text in said if figures.search(text)]
    assert [row for row in told["findings"] if figures.search(row["text"])]


async def test_a_fault_of_a_committed_meters_wiring_is_told_without_its_figures(
    tmp_path: Path,
) -> None:
    async with an_office(tmp_path, "1:missing-phase:0:999999:3") as office:
        text = office.config.read_text()
        hidden = text.replace('serial = "S1"', 'serial = "S1"\nmode = "committed"')
        office.config.write_text(f'zone = "Europe/Berlin"\n{hidden}')
        assert await office.report("one.json", "--no-pdf") == 1
        body = office.made("one.json")["body"]
    assert isinstance(body, dict)
    faults = [r for r in body["meters"][0]["findings"] if r["grade"] == "FAIL"]
    assert [row["where"] for row in faults] == ["L3"]
    assert "0.0 V" not in faults[0]["text"]


async def test_a_report_tells_the_values_of_an_open_meter(tmp_path: Path) -> None:
    async with an_office(tmp_path) as office:
        assert await office.report("one.json", "--no-pdf") == 0
        body = office.made("one.json")["body"]
    assert isinstance(body, dict)
    told = body["meters"][1]
    assert told["registers"]
    assert told["values"]


async def test_a_silent_meter_is_a_fault_and_the_others_are_surveyed(
    tmp_path: Path, capsys: Captured
) -> None:
    async with an_office(tmp_path, "1:silence:0:") as office:
        assert await office.report("first.json", "--no-pdf") == 1
    body = office.made("first.json")["body"]
    assert isinstance(body, Mapping)
    rows = {meter["serial"]: meter for meter in body["meters"]}
    assert rows["S1"]["registers"] == {}
    assert rows["S2"]["registers"]
    assert "FAIL  S1 meter: " in capsys.readouterr().out


async def test_a_report_is_never_written_over_nor_signed_without_a_key(
    tmp_path: Path, capsys: Captured
) -> None:
    async with an_office(tmp_path) as office:
        assert await office.report("first.json", "--no-pdf") == 0
        assert await office.report("first.json", "--no-pdf") == 1
        assert "is there already; name another" in capsys.readouterr().err
        (tmp_path / "data" / "root.secret").unlink()
        assert await office.report("second.json") == 1
    assert "a report is signed by the device's key" in capsys.readouterr().err
    assert not (tmp_path / "second.json").exists()


async def test_without_fpdf2_the_signed_report_is_written_and_the_extra_is_named(
    tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def without(
        name: str,
        space: Mapping[str, object] | None = None,
        local: Mapping[str, object] | None = None,
        names: Sequence[str] = (),
        level: int = 0,
    ) -> object:
        if name.partition(".")[0] == "fpdf":
            raise ModuleNotFoundError("No module named 'fpdf'")
        return real(name, space, local, names, level)

    monkeypatch.setattr(builtins, "__import__", without)
    async with an_office(tmp_path) as office:
        assert await office.report("first.json") == 1
    assert "pip install 'meterseal[technician]'" in capsys.readouterr().err
    assert (tmp_path / "first.json").exists()
    assert not (tmp_path / "first.pdf").exists()


async def test_a_report_says_where_the_residents_page_is_and_never_its_pin(
    tmp_path: Path, capsys: Captured
) -> None:
    async with an_office(tmp_path) as office:
        assert await office.report("none.json") == 0
        text = office.config.read_text()
        page = '[resident]\nhost = "127.0.0.1"\n'
        office.config.write_text(f'zone = "UTC"\n{text}{page}')
        sheet = tmp_path / "page.txt"
        made = ["resident-pin", "--config", str(office.config)]
        assert await asyncio.to_thread(main, [*made, "--sheet", str(sheet)]) == 0
        assert await office.report("page.json") == 0
        assert await asyncio.to_thread(main, [*made, "--show"]) == 0
    body = office.made("none.json")["body"]
    assert isinstance(body, dict)
    assert body["page"] == {}
    body = office.made("page.json")["body"]
    assert isinstance(body, dict)
    assert body["page"]["at"] == "https://127.0.0.1:8443/"
    assert body["page"]["sha256"] in capsys.readouterr().out
    pin = re.findall(r"PIN (\d{4} \d{4})", sheet.read_text())[0]
    for written in ("page.json", "page.pdf"):
        raw = (tmp_path / written).read_bytes()
        assert pin.encode() not in raw
        assert pin.replace(" ", "").encode() not in raw
