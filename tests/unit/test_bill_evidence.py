"""The evidence of a bill proves it to a stranger, and what is touched is named."""

import json
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meterseal_proto.claims import Claim, Expectation, Verdict
from meterseal_proto.errors import Rejected
from meterseal_proto.evidence import contents as parts
from meterseal_proto.evidence.archive import (
    MAX_ARCHIVE_BYTES,
    MAX_MEMBERS,
    read_archive,
    write_archive,
)
from meterseal_proto.evidence.contents import numbered
from meterseal_proto.verify import examine, main, zone_clock
from tests.support.billevidence import Bill, a_bill, a_following_bill, with_line
from tests.support.evidence import GENESIS

KNOWN = Expectation(network=GENESIS.network.hex(), clock=zone_clock)
BILL = a_following_bill()
FILES = BILL.files()
ZIP = BILL.zip()
SEALS, USAGE, HISTORY, TARIFF = (
    numbered(stem, 1)
    for stem in (parts.SEALS, parts.USAGE, parts.HISTORY, parts.TARIFF)
)
OWNER = {
    parts.MANIFEST: "manifest",
    parts.NETWORK: "network",
    parts.CHECKPOINT: "checkpoint",
    parts.ANCHOR: "anchor",
    parts.LOG: "inclusion",
    parts.KEYS: "keys",
    parts.STATEMENT: "statement",
    parts.SALT: "bill-hash",
    parts.PREVIOUS: "carried",
    parts.PREVIOUS_SALT: "carried",
    parts.LEDGER: "ledger-chain",
    SEALS: "records",
    USAGE: "usage",
    HISTORY: "history",
    TARIFF: "tariff",
}
"""The claim that answers for a file which does not even read."""
Change = Callable[[Any], object]  # of a file's JSON, in place


def judged(data: bytes) -> dict[str, Claim]:
    return {claim.name: claim for claim in examine(data, KNOWN)}


def failed(data: bytes) -> set[str]:
    found = judged(data).values()
    return {claim.name for claim in found if claim.verdict is Verdict.FAIL}


def repacked(files: dict[str, bytes]) -> bytes:
    """Pack files as any tool does, with the manifest they had."""
    buffer = BytesIO()
    with ZipFile(buffer, "w", ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def with_json(name: str, change: Change) -> bytes:
    """Pack the bill with a file's JSON changed and the manifest made to fit."""
    found = json.loads(FILES[name])
    change(found)
    content = json.dumps(found, sort_keys=True, separators=(",", ":")).encode()
    assert content != FILES[name]
    return BILL.zip({name: content})


def test_the_evidence_of_a_bill_passes_every_claim_but_the_anchor_offline() -> None:
    found = judged(ZIP)
    unchecked = {n for n, c in found.items() if c.verdict is not Verdict.PASS}
    assert unchecked == {"anchor"}
    assert found["anchor"].verdict is Verdict.UNCHECKED
    assert "190 slots are as sealed, 1 as edited" in found["usage"].text


def test_the_same_bill_is_packed_into_the_same_bytes() -> None:
    assert a_following_bill().zip() == ZIP


def test_a_bill_that_another_tool_packed_again_still_passes() -> None:
    files, _ = read_archive(ZIP)
    assert failed(repacked(dict(reversed(files.items())))) == set()


@pytest.mark.parametrize("name", [*FILES, parts.MANIFEST])
def test_a_file_that_was_touched_is_named_by_the_manifest(name: str) -> None:
    files, _ = read_archive(ZIP)
    files[name] = files[name][:-3] + bytes((files[name][-3] ^ 1,)) + files[name][-2:]
    found = judged(repacked(files))
    assert found["manifest"].verdict is Verdict.FAIL
    assert name in found["manifest"].text


@pytest.mark.parametrize("name", list(FILES))
def test_a_file_that_is_left_out_is_named(name: str) -> None:
    files, _ = read_archive(ZIP)
    del files[name]
    if name == parts.STATEMENT:
        assert failed(repacked(files)) == {"format"}
        return
    found = judged(repacked(files))
    assert found["manifest"].text == f"{name} is missing"
    left = {k: v for k, v in FILES.items() if k != name}
    # Nothing obliges anybody to tell of an anchor.
    owners = {**OWNER, SEALS: "usage"}
    expected = set() if name == parts.ANCHOR else {owners[name]}
    whole = parts.pack(left)
    assert expected <= failed(whole)


@pytest.mark.parametrize("name", list(FILES))
def test_a_file_of_garbage_fails_by_the_claim_that_answers_for_it(name: str) -> None:
    assert OWNER[name] in failed(BILL.zip({name: b"\x00garbage"}))


@pytest.mark.parametrize("name", [*FILES, parts.MANIFEST])
def test_a_member_whose_bytes_were_damaged_is_named(name: str) -> None:
    with ZipFile(BytesIO(ZIP)) as archive:
        info = archive.getinfo(name)
    at = info.header_offset + 30 + len(name) + info.compress_size // 2
    spoilt = ZIP[:at] + bytes((ZIP[at] ^ 0xFF,)) + ZIP[at + 1 :]
    found = judged(spoilt)
    assert found["files"].text == f"{name} is damaged: it cannot be unpacked"
    assert OWNER[name] in failed(spoilt)


def test_random_bytes_in_any_file_never_pass_and_never_raise() -> None:
    chance = random.Random(8)
    for name, content in FILES.items():
        for _ in range(12):
            at = chance.randrange(len(content))
            byte = bytes((content[at] ^ chance.randrange(1, 256),))
            assert failed(BILL.zip({name: content[:at] + byte + content[at + 1 :]})), (
                name,
                at,
            )


TOUCHED: dict[str, tuple[str, Change, set[str]]] = {
    "a record's Wh": (
        SEALS,
        lambda f: f["seals"][0][6][3].__setitem__(0, f["seals"][0][6][3][0] + 1),
        {"records", "usage"},
    ),
    "a salt": (
        SEALS,
        lambda f: f["seals"][1][6][0].__setitem__(4, "00" * 16),
        {"records"},
    ),
    "a signature": (
        SEALS,
        lambda f: f["seals"][0].__setitem__(5, "11" * 64),
        {"signatures", "inclusion"},
    ),
    "a slot of the usage": (
        USAGE,
        lambda f: f["deltas"].__setitem__(7, f["deltas"][7] + 1),
        {"usage", "history", "lines"},
    ),
    "an edit's reason": (
        HISTORY,
        lambda f: f["values"][1].__setitem__(6, "because"),
        {"history"},
    ),
    "an edit's Wh": (
        HISTORY,
        lambda f: f["values"][1].__setitem__(2, 112),
        {"usage", "history"},
    ),
    "a day's version": (
        HISTORY,
        lambda f: f["days"][1][5].__setitem__(3, 1),
        {"history"},
    ),
    "a price": (
        TARIFF,
        lambda f: f["components"][0].__setitem__("price", 321_501),
        {"tariff"},
    ),
    "an amount posted": (
        parts.LEDGER,
        lambda f: f["runs"][0]["entries"][0].__setitem__(4, 1),
        {"ledger", "ledger-chain"},
    ),
    "a due date": (
        parts.STATEMENT,
        lambda f: f.__setitem__("due_at", f["due_at"] + 1),
        {"bill-hash"},
    ),
    "a total": (
        parts.STATEMENT,
        lambda f: f.__setitem__("total", f["total"] - 100),
        {"statement", "total", "bill-hash"},
    ),
    "what the bill before left": (
        parts.PREVIOUS,
        lambda f: f["segments"][-1]["after"].__setitem__("charged", "1"),
        {"carried"},
    ),
    "the salt of the bill before": (
        parts.PREVIOUS_SALT,
        lambda f: f.__setitem__("salt", "00" * 16),
        {"carried"},
    ),
    "a hash of a proof": (
        parts.LOG,
        lambda f: f["hashes"].__setitem__(0, "00" * 32),
        {"inclusion"},
    ),
    "what was published": (
        parts.ANCHOR,
        lambda f: f.__setitem__("root", "00" * 32),
        {"anchor"},
    ),
    "a network": (
        parts.NETWORK,
        lambda f: f.__setitem__("chain_id", 1),
        {"your-network", "statement", "keys"},
    ),
}


@pytest.mark.parametrize("what", list(TOUCHED))
def test_what_was_touched_fails_by_name_even_under_a_manifest_that_fits(
    what: str,
) -> None:
    name, change, expected = TOUCHED[what]
    assert expected <= failed(with_json(name, change))


def test_an_overbilled_line_fails_though_hash_log_and_ledger_agree_with_it() -> None:
    bill = a_bill()
    assert bill.statement is not None
    bill.statement = with_line(bill.statement, 100)
    first = bill.entries[0]
    bill.entries[0] = replace(first, amount=first.amount + 1_000_000)
    assert failed(bill.zip()) == {"lines"}


def test_a_slot_that_nothing_sealed_explains_fails_though_the_bill_adds_up() -> None:
    bill = a_bill()
    bill.seals = bill.seals[:-1]
    found = judged(bill.zip())
    assert failed(bill.zip()) == {"usage"}
    assert "nothing sealed says" in found["usage"].text


def test_a_posting_of_another_bill_does_not_count() -> None:
    bill = a_bill()
    bill.entries = [replace(one, reference=b"2026-00000013") for one in bill.entries]
    assert failed(bill.zip()) == {"ledger"}


def hostile() -> Iterator[tuple[str, bytes]]:
    yield "a ZIP cut in half", ZIP[: len(ZIP) // 2]
    yield "only its first bytes", ZIP[:4]
    yield "a path", _one("../manifest.json")
    yield "an absolute path", _one("/statement.json")
    yield "a folder", _one("a/statement.json")
    yield "a strange name", _one("Statement.json")
    yield "a bomb", _one("statement.json", b"\x00" * (3 << 20))
    yield "too many files", _many(MAX_MEMBERS + 1)
    yield "too large", b"PK\x03\x04" + bytes(MAX_ARCHIVE_BYTES)
    yield "an empty ZIP", _many(0)
    yield "neither bill nor trade", repacked({"ledger.json": b"{}"})
    yield "both bill and trade", repacked({"statement.json": b"", "trade.json": b""})
    yield "one name twice", _twice()


def _one(name: str, content: bytes = b"{}") -> bytes:
    buffer = BytesIO()
    with ZipFile(buffer, "w", ZIP_DEFLATED) as archive:
        archive.writestr(ZipInfo(name), content, ZIP_DEFLATED)
    return buffer.getvalue()


def _many(count: int) -> bytes:
    return repacked({f"tariff-{n + 1}.json": b"{}" for n in range(count)})


def _twice() -> bytes:
    whole = repacked({"statement.json": b"one", "statemens.json": b"two"})
    return whole.replace(b"statemens.json", b"statement.json")


@pytest.mark.parametrize(
    "data", [d for _, d in hostile()], ids=[n for n, _ in hostile()]
)
def test_a_hostile_zip_is_refused_by_one_clear_line(data: bytes) -> None:
    (claim,) = examine(data, KNOWN)
    assert (claim.name, claim.verdict) == ("format", Verdict.FAIL)


def test_files_that_lie_over_each_other_are_refused() -> None:
    data = bytearray(repacked({"statement.json": b"a" * 50, "ledger.json": b"{}"}))
    second = data.rindex(b"PK\x01\x02")
    data[second + 42 : second + 46] = bytes(4)
    with pytest.raises(Rejected):
        read_archive(bytes(data))


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_bytes_that_begin_as_a_zip_are_judged_and_never_raise(
    data: st.DataObject,
) -> None:
    at = data.draw(st.integers(0, len(ZIP) - 1))
    new = data.draw(st.binary(min_size=1, max_size=8))
    claims = examine(ZIP[:at] + new + ZIP[at + len(new) :], KNOWN)
    assert claims


@given(
    st.dictionaries(st.sampled_from(sorted(FILES)), st.binary(max_size=500), min_size=1)
)
def test_what_is_packed_is_unpacked_again(files: dict[str, bytes]) -> None:
    assert read_archive(write_archive(files)) == (files, ())


def test_the_command_reads_a_zip_and_says_each_claim(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "bill.zip"
    file.write_bytes(ZIP)
    assert main([str(file), "--network", GENESIS.network.hex()]) == 0
    told = capsys.readouterr().out
    assert "PASS      lines " in told
    assert main([str(file), "--network", "00" * 32]) == 1
    assert main([str(file), "--require-anchor"]) == 1


def test_the_verifier_of_evidence_imports_the_protocol_and_its_curve_only() -> None:
    program = (
        "import sys; import meterseal_proto.verify; print(*sorted({name.split('.')[0] for"
        " name in sys.modules}))"
    )
    shown = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, check=True, text=True
    ).stdout.split()
    ours = {name for name in shown if name.startswith("meterseal_")}
    assert ours == {"meterseal_proto"}
    assert not {"pydantic", "fastapi", "sqlite3", "fpdf", "babel"} & set(shown)


def test_evidence_knows_which_bill_it_is_of() -> None:
    other: Bill = a_bill()
    assert other.statement is not None
    other.statement = replace(other.statement, replaces="2026-00000011")
    assert failed(other.zip()) >= {"earlier"}
