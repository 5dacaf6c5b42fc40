"""A total's file: one spelling, every claim by name, and each fails when its part is changed."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from meterseal_proto.claims import Expectation, Verdict, holds
from meterseal_proto.errors import Rejected
from meterseal_proto.reporting import Act, Place, answer_digest, sign, statement
from meterseal_proto.seal import MODE_OPEN
from meterseal_proto.totalfile import (
    MAX_TOTAL_BYTES,
    MaskAnswer,
    TotalFile,
    TrusteeEvidence,
    is_total,
    parse_total,
)
from meterseal_proto.totals import Mask
from meterseal_proto.units import EXPORT
from meterseal_proto.verify import examine, main
from tests.support.evidence import GENESIS
from tests.support.total_evidence import HOMES, KEYS, SIGNERS, a_total, member
from tests.support.trusteeship import DAY, houses

WHOLE = a_total()
GOLDEN = "5839add1b1af48f79fd8be945d574826713ce0d4e1836425f3001a85731cf10e"


def failed(file: TotalFile, expectation: Expectation | None = None) -> list[str]:
    """Return the claims that fail; what passes or is not asked is left out."""
    claims = examine(file.encode(), expectation or Expectation())
    return [one.name for one in claims if one.verdict is Verdict.FAIL]


def test_a_right_total_holds_and_says_what_was_not_asked() -> None:
    claims = examine(WHOLE.encode(), Expectation())
    assert holds(claims, require_anchor=False)
    assert {c.name: c.verdict for c in claims} == {
        "format": Verdict.PASS,
        "network": Verdict.PASS,
        "your-network": Verdict.UNCHECKED,
        "checkpoint": Verdict.PASS,
        "set": Verdict.PASS,
        "trustees": Verdict.PASS,
        "your-trustees": Verdict.UNCHECKED,
        "answers": Verdict.PASS,
        "total": Verdict.PASS,
        "inclusion": Verdict.PASS,
        "anchor": Verdict.UNCHECKED,
    }
    prints = tuple(key.fingerprint() for key in KEYS)
    known = Expectation(network=GENESIS.network.hex(), trustees=prints)
    unsaid = [
        one.name
        for one in examine(WHOLE.encode(), known)
        if one.verdict is not Verdict.PASS
    ]
    assert unsaid == ["anchor"]
    others = Expectation(trustees=(*prints[:2], "0000 " * 8))
    assert failed(WHOLE, others) == ["your-trustees"]


def test_the_bytes_are_golden() -> None:
    data = WHOLE.encode()
    assert is_total(data)
    assert parse_total(data) == WHOLE
    assert hashlib.sha256(data).hexdigest() == GOLDEN


def with_trustee(number: int, **changes: Any) -> TotalFile:
    trustees = list(WHOLE.trustees)
    trustees[number] = replace(trustees[number], **changes)
    return replace(WHOLE, trustees=tuple(trustees))


def lied() -> TotalFile:
    answer = WHOLE.trustees[0].answer
    assert answer is not None
    sums = {**answer.sums, 1: Mask(1, 1)}
    return with_trustee(0, answer=MaskAnswer(sums, answer.signature))


def by_other_seals(**changes: Any) -> TotalFile:
    homes = houses(1, HOMES)
    return a_total([member(homes[0], **changes), *map(member, homes[1:])])


CHANGES: dict[str, tuple[Callable[[], TotalFile], set[str]]] = {
    "another value": (lambda: replace(WHOLE, value=WHOLE.value + 1), {"total"}),
    "another blinding": (lambda: replace(WHOLE, blinding=bytes(32)), {"total"}),
    "another cell": (
        lambda: replace(WHOLE, cell="south"),
        {"trustees", "answers", "inclusion"},
    ),
    "another day": (
        lambda: replace(WHOLE, day=DAY + 1),
        {"set", "trustees", "answers", "inclusion"},
    ),
    "a member less": (
        lambda: replace(WHOLE, members=WHOLE.members[1:]),
        {"set", "trustees", "answers", "total", "inclusion"},
    ),
    "a member twice": (
        lambda: replace(WHOLE, members=(*WHOLE.members[1:], WHOLE.members[1])),
        {"set", "total"},
    ),
    "a trustee's signature": (
        lambda: with_trustee(2, signature=bytes(64)),
        {"trustees"},
    ),
    "two trustees": (
        lambda: replace(WHOLE, trustees=WHOLE.trustees[:2]),
        {"trustees"},
    ),
    "a trustee twice": (
        lambda: replace(WHOLE, trustees=(WHOLE.trustees[0], *WHOLE.trustees[:2])),
        {"trustees"},
    ),
    "another trustee's key": (
        lambda: with_trustee(2, key=replace(KEYS[0], number=2)),
        {"trustees"},
    ),
    "one answer": (lambda: with_trustee(1, answer=None), {"answers"}),
    "sums nobody signed": (lied, {"answers"}),
    "another place in the log": (
        lambda: replace(WHOLE, reporting=replace(WHOLE.reporting, index=0)),
        {"inclusion"},
    ),
    "another log": (
        lambda: replace(WHOLE, genesis=replace(GENESIS, registry="other")),
        {"network", "set", "trustees", "answers", "inclusion"},
    ),
    "an open seal": (lambda: by_other_seals(mode=MODE_OPEN), {"set"}),
    "another register": (lambda: by_other_seals(register=EXPORT), {"set"}),
    "half a day": (lambda: by_other_seals(count=48), {"set"}),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_file_fails_the_claims_it_touches(name: str) -> None:
    make, expected = CHANGES[name]
    assert set(failed(make())) == expected
    assert not holds(examine(make().encode(), Expectation()), require_anchor=False)


def test_two_answers_that_differ_in_the_seed_both_hold_are_no_answer() -> None:
    answer = WHOLE.trustees[0].answer
    assert answer is not None
    sums = {**answer.sums, 2: Mask(5, 5)}
    place = Place(GENESIS.network, "north", DAY)
    rows = [one.reported for one in WHOLE.members]
    stated = statement(place, rows, GENESIS.chain_id)
    told = sign(SIGNERS[0], Act.MASKS, answer_digest(stated, sums))
    file = with_trustee(0, answer=MaskAnswer(sums, told))
    assert failed(file) == ["answers"]


@pytest.mark.parametrize(
    "change",
    [
        {"format": "meterseal/total/2"},
        {"members": []},
        {"trustees": []},
        {"total": {"blinding": "00", "value": 1}},
        {"total": {"blinding": "00" * 32, "value": -1}},
        {"place": {"cell": "", "day": 1}},
        {"place": {"cell": "north", "day": 1 << 20}},
        {"more": 1},
    ],
    ids=str,
)
def test_another_shape_is_named_and_no_traceback(change: dict[str, Any]) -> None:
    fields = json.loads(WHOLE.encode()) | change
    data = json.dumps(fields, sort_keys=True, separators=(",", ":")).encode()
    with pytest.raises(Rejected):
        parse_total(data)
    claims = examine(data, Expectation())
    assert [one.verdict for one in claims] == [Verdict.FAIL]


def test_a_huge_file_is_not_read() -> None:
    with pytest.raises(Rejected, match="too-large"):
        parse_total(WHOLE.encode() + b" " * MAX_TOTAL_BYTES)


def test_the_command_checks_a_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "total.json"
    path.write_bytes(WHOLE.encode())
    words = [word for key in KEYS for word in ("--trustee", key.fingerprint())]
    assert main([str(path), *words]) == 0
    assert f"add up to {WHOLE.value}" in capsys.readouterr().out
    path.write_bytes(replace(WHOLE, value=1).encode())
    assert main([str(path)]) == 1
    assert isinstance(WHOLE.trustees[0], TrusteeEvidence)
