"""A member's own opening for the chain: of a billed period's whole sum, and of nothing else."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from meterseal_agent import cli
from meterseal_agent.technician.open_on_chain import FOR_EVER
from meterseal_proto.bundle import KeyEvidence, Logged
from meterseal_proto.chainopening import NotOpenable, sum_opening
from meterseal_proto.commitment import opens, total
from meterseal_proto.privatefile import BillEvidence, DayEvidence, PrivateFile
from meterseal_proto.tariff import Band, MicroPerKwh, Tariff
from meterseal_proto.units import MeterId
from meterseal_proto.usagefile import OpenedDay, UsageFile
from tests.support.committed import Day, bill_over, committed_device
from tests.support.devices import GENESIS

USAGE = [n * 401 % 3_001 for n in range(24)]
ONE = Tariff("home.total", "STX", "UTC", 0, (Band(MicroPerKwh(1)),))
TIMED = Tariff(
    "dn", "STX", "UTC", 0, (Band(MicroPerKwh(3), begin=60), Band(MicroPerKwh(2)))
)
NOWHERE = Logged(0, ())


def evidence(day: Day) -> DayEvidence:
    proof = day.seal.envelope.parcel.proof
    header, signature = day.seal.header, day.seal.signature
    return DayEvidence(header, signature, day.seal.records, proof, NOWHERE)


def opened(day: Day) -> OpenedDay:
    header = day.seal.header
    return OpenedDay(
        day.digest, header.first, header.step,
        tuple(one.value.reveal() for one in day.openings),
        tuple(one.blinding.reveal() for one in day.openings),
    )  # fmt: skip


def files(tariff: Tariff = ONE) -> tuple[UsageFile, PrivateFile]:
    device = committed_device()
    days = [device.tell(USAGE) for _ in range(2)]
    bill = bill_over(device, days, tariff)
    file = PrivateFile(
        GENESIS, (KeyEvidence(b"\x00", NOWHERE),), tuple(map(evidence, days)), "x",
        BillEvidence(bill, tariff.document(), NOWHERE),
    )  # fmt: skip
    rows = tuple(map(opened, days))
    return UsageFile(GENESIS.network, device.meter, device.register, rows), file


def test_the_sum_of_a_billed_period_is_opened() -> None:
    own, file = files()
    found = sum_opening(own, file)
    whole = total([day.header.sum for day in file.days])
    assert found.value == 2 * sum(USAGE)
    assert opens(whole, found.value, int.from_bytes(found.z))


def test_nothing_is_opened_that_no_bill_opened_before() -> None:
    own, timed = files(TIMED)
    with pytest.raises(NotOpenable, match="its total was never opened"):
        sum_opening(own, timed)
    own, file = files()
    with pytest.raises(NotOpenable, match="holds no bill"):
        sum_opening(own, replace(file, bill=None))
    with pytest.raises(NotOpenable, match="1 of the bill's days are not"):
        sum_opening(replace(own, days=own.days[:1]), file)
    with pytest.raises(NotOpenable, match="another meter"):
        sum_opening(replace(own, meter=MeterId(bytes(16))), file)
    with pytest.raises(NotOpenable, match="lacks a day"):
        sum_opening(own, replace(file, days=file.days[1:]))


def test_openings_that_are_not_the_bills_are_named() -> None:
    own, file = files()
    first = own.days[0]
    lied = replace(first, values=(first.values[0] + 1, *first.values[1:]))
    with pytest.raises(NotOpenable, match="not those the bill was made of"):
        sum_opening(replace(own, days=(lied, own.days[1])), file)
    blind = replace(first, blindings=(first.blindings[0] ^ 1, *first.blindings[1:]))
    with pytest.raises(NotOpenable, match="do not open the sum"):
        sum_opening(replace(own, days=(blind, own.days[1])), file)


def test_the_command_says_what_for_ever_means_before_it_does_anything(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own, file = files()
    (tmp_path / "own.json").write_bytes(own.encode())
    (tmp_path / "bill.json").write_bytes(file.encode())
    asked = [
        "open-on-chain", "--openings", str(tmp_path / "own.json"),
        "--bill", str(tmp_path / "bill.json"),
    ]  # fmt: skip
    assert cli.main(asked) == 1
    assert capsys.readouterr().out.strip() == FOR_EVER
    assert cli.main([*asked, "--for-ever"]) == 0
    said = capsys.readouterr().out
    assert json.loads(said)["usage"] == 2 * sum(USAGE)
    assert all(str(value) not in said for value in USAGE if value > 1_000)
    assert cli.main([*asked[:-1], str(tmp_path / "no.json"), "--for-ever"]) != 0
