"""A member's openings: one spelling, and a bill counted again from usage, or why not."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from meterseal_proto.bundle import KeyEvidence, Logged, canonical
from meterseal_proto.claims import Claim, Expectation, Verdict
from meterseal_proto.claims_usage import judge_usage
from meterseal_proto.errors import Rejected
from meterseal_proto.privatefile import BillEvidence, DayEvidence, PrivateFile
from meterseal_proto.tariff import Band, MicroPerKwh, Tariff
from meterseal_proto.units import IMPORT, MeterId
from meterseal_proto.usagefile import OpenedDay, UsageFile, parse_usage
from meterseal_proto.verify import examine, main
from tests.support.committed import Day, bill_over, committed_device
from tests.support.devices import GENESIS

VALUES = [[n * 401 % 3_001 for n in range(96)], [None, *range(95)]]
TARIFF = Tariff(
    "day-night", "EUR", "UTC", 0,
    (Band(MicroPerKwh(300_000), begin=420, end=1_260), Band(MicroPerKwh(200_000))),
)  # fmt: skip
NOWHERE = Logged(0, ())
KNOWN = Expectation(
    clock=lambda zone: partial(datetime.fromtimestamp, tz=ZoneInfo(zone))
)
GOLDEN = UsageFile(
    bytes(32), MeterId(bytes(15) + b"\x07"), IMPORT,
    (OpenedDay(b"\x01" * 32, 1_790_035_200, 900, (5, 0), (3, 1 << 255)),),
)  # fmt: skip
GOLDEN_BYTES = (
    b'{"days":[{"blindings":"' + b"00" * 31 + b"03" + b"80" + b"00" * 31 + b'",'
    b'"first":1790035200,"header":"' + b"01" * 32 + b'","step":900,"values":[5,0]}],'
    b'"format":"meterseal/openings/1","meter":"00000000000000000000000000000007",'
    b'"network":"' + b"00" * 32 + b'","register":1099528929535}'
)


def evidence(day: Day) -> DayEvidence:
    seal = day.seal
    proof = seal.envelope.parcel.proof
    return DayEvidence(seal.header, seal.signature, seal.records, proof, NOWHERE)


def opened(day: Day) -> OpenedDay:
    header = day.seal.header
    return OpenedDay(
        day.digest, header.first, header.step,
        tuple(one.value.reveal() for one in day.openings),
        tuple(one.blinding.reveal() for one in day.openings),
    )  # fmt: skip


@pytest.fixture(scope="module")
def case() -> tuple[PrivateFile, UsageFile]:
    device = committed_device()
    days = [device.tell(values) for values in VALUES]
    bill = bill_over(device, days, TARIFF)
    file = PrivateFile(
        GENESIS, (KeyEvidence(b"\x00", NOWHERE),), tuple(map(evidence, days)), "x",
        BillEvidence(bill, TARIFF.document(), NOWHERE),
    )  # fmt: skip
    usage = UsageFile(
        GENESIS.network, device.meter, device.register, tuple(map(opened, days))
    )
    return file, usage


def verdicts(claims: tuple[Claim, ...]) -> list[tuple[str, Verdict]]:
    return [(claim.name, claim.verdict) for claim in claims]


def test_the_file_has_these_bytes() -> None:
    assert GOLDEN.encode() == GOLDEN_BYTES
    assert parse_usage(GOLDEN_BYTES) == GOLDEN


def test_a_bill_is_counted_again_from_usage_line_by_line(
    case: tuple[PrivateFile, UsageFile],
) -> None:
    file, usage = case
    claims = judge_usage(file, parse_usage(usage.encode()), KNOWN)
    assert verdicts(claims) == [
        (name, Verdict.PASS) for name in ("openings", "recomputed", "line", "line")
    ]
    assert file.bill is not None
    amount = file.bill.bill.statement.amount
    assert str(amount) in claims[1].text
    assert sum(int(claim.text.rsplit(": ", 1)[1]) for claim in claims[2:]) == amount
    assert str(sum(value or 0 for day in VALUES for value in day)) in claims[0].text


def test_days_beyond_those_of_the_bill_do_no_harm(
    case: tuple[PrivateFile, UsageFile],
) -> None:
    file, usage = case
    more = replace(usage, days=(*usage.days, *GOLDEN.days))
    assert judge_usage(file, more, KNOWN) == judge_usage(file, usage, KNOWN)


def test_a_proof_file_opens_too_and_has_nothing_to_recompute(
    case: tuple[PrivateFile, UsageFile],
) -> None:
    file, usage = case
    claims = judge_usage(replace(file, bill=None), usage, KNOWN)
    assert verdicts(claims) == [("openings", Verdict.PASS)]


Change = Callable[[OpenedDay], OpenedDay]
LIES: dict[str, Change] = {
    "another value": lambda day: replace(day, values=(day.values[0] + 1, *day.values[1:])),
    "swapped slots": lambda day: replace(
        day,
        values=(day.values[1], day.values[0], *day.values[2:]),
        blindings=(day.blindings[1], day.blindings[0], *day.blindings[2:]),
    ),
    "another blinding": lambda day: replace(
        day, blindings=(day.blindings[0] ^ 1, *day.blindings[1:])
    ),
    "another day": lambda day: replace(day, header=bytes(32)),
    "another time": lambda day: replace(day, first=day.first + 900),
    "a slot less": lambda day: replace(
        day, values=day.values[:-1], blindings=day.blindings[:-1]
    ),
}  # fmt: skip


@pytest.mark.parametrize("lie", LIES)
def test_openings_that_are_not_these_commitments_fail(
    case: tuple[PrivateFile, UsageFile], lie: str
) -> None:
    file, usage = case
    spoiled = replace(usage, days=(LIES[lie](usage.days[0]), *usage.days[1:]))
    assert verdicts(judge_usage(file, spoiled, KNOWN)) == [("openings", Verdict.FAIL)]


def test_openings_of_another_meter_or_network_fail(
    case: tuple[PrivateFile, UsageFile],
) -> None:
    file, usage = case
    others = (
        replace(usage, meter=MeterId(bytes(16))),
        replace(usage, network=bytes(32)),
    )
    for other in others:
        claims = judge_usage(file, other, KNOWN)
        assert verdicts(claims) == [("openings", Verdict.FAIL)]


def test_a_bill_that_says_another_amount_is_found_out(
    case: tuple[PrivateFile, UsageFile],
) -> None:
    file, usage = case
    assert file.bill is not None
    said = file.bill.bill.statement
    more = replace(file.bill.bill, statement=replace(said, amount=said.amount + 1))
    lying = replace(file, bill=replace(file.bill, bill=more))
    assert verdicts(judge_usage(lying, usage, KNOWN)) == [
        ("openings", Verdict.PASS),
        ("recomputed", Verdict.FAIL),
    ]


def test_without_a_clock_of_the_zone_nothing_is_recomputed(
    case: tuple[PrivateFile, UsageFile],
) -> None:
    file, usage = case
    assert verdicts(judge_usage(file, usage, Expectation())) == [
        ("openings", Verdict.PASS),
        ("recomputed", Verdict.UNCHECKED),
    ]


SHAPES: list[dict[str, Any]] = [
    {"format": "meterseal/openings/2"},
    {"days": []},
    {"days": [{}]},
    {"register": -1},
    {"network": "00"},
    {"extra": 1},
    {"days": [{**json.loads(GOLDEN_BYTES)["days"][0], "values": [5]}]},
    {"days": [{**json.loads(GOLDEN_BYTES)["days"][0], "values": [5, 1 << 32]}]},
    {"days": [{**json.loads(GOLDEN_BYTES)["days"][0], "values": [5, True]}]},
]


@pytest.mark.parametrize("change", SHAPES, ids=str)
def test_a_file_of_another_shape_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(Rejected):
        parse_usage(canonical({**json.loads(GOLDEN_BYTES), **change}))
    with pytest.raises(Rejected):
        parse_usage(b"[" * 100_000)
    with pytest.raises(Rejected):
        parse_usage(GOLDEN_BYTES + b"\n")


def test_the_command_tells_of_every_file_it_cannot_use(
    case: tuple[PrivateFile, UsageFile],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file, usage = case
    bill, own = tmp_path / "bill.json", tmp_path / "openings.json"
    bill.write_bytes(file.encode())
    assert main([str(bill), "--openings", str(own)]) == 1
    assert "openings.json cannot be read" in capsys.readouterr().out
    own.write_bytes(b"{}")
    assert main([str(bill), "--openings", str(own)]) == 1
    assert "no openings of ours" in capsys.readouterr().out
    own.write_bytes(usage.encode())
    main([str(bill), "--openings", str(own)])
    assert "PASS      recomputed" in capsys.readouterr().out
    assert main([str(own), "--openings", str(own)]) == 1
    assert "go with a proof file" in capsys.readouterr().out


def test_a_bundle_takes_no_openings() -> None:
    (claim,) = examine(b"{}", KNOWN, GOLDEN_BYTES)
    assert claim.verdict is Verdict.FAIL


def test_a_usage_files_repr_hides_its_usage() -> None:
    assert "values" not in repr(GOLDEN)
