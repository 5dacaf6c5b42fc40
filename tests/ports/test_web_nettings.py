"""What a private home's device was asked to net, through the API: for whose home it is."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from meterseal_aggregator.privacy import netting as module
from meterseal_aggregator.privacy.errands import nettings
from meterseal_aggregator.privacy.errands.nettings import Period, Want
from meterseal_aggregator.registry import write
from meterseal_aggregator.registry.model import Tenancy
from meterseal_proto.enrolment import RegisterStart
from meterseal_proto.evidence.nettingfile import read_netting
from meterseal_proto.netting import ProvedNetting, prove_netting
from meterseal_proto.units import IMPORT
from tests.support.committed import CommittedDevice, Day
from tests.support.enrolling import GENESIS, SLOT
from tests.support.village import problem
from tests.support.webhouse import LATER, WebHouse, a_house
from tests.support.webprivate import enrol_private, erased, looks, take_in

BEGAN = SLOT - 24 * 900
END = SLOT


@dataclass
class Home:
    """The house, its committed device that told a day, and what is asked of it."""

    house: WebHouse
    device: CommittedDevice
    day: Day

    @property
    def path(self) -> str:
        return f"/v1/meters/{self.house.meter}/registers/1-0:1.8.0/nettings"

    async def ask(self) -> None:
        async with self.house.db.transaction() as tx:
            ((seal, register),) = await tx.rows(
                "SELECT id, register_id FROM committed_seals"
            )
            wants = [
                Want(seal, place, wh, BEGAN + place * 900, 900)
                for place, wh in ((2, 150), (5, 9_000))
            ]
            period = Period(register, BEGAN, END, LATER + 60)
            await nettings.ask(tx, period, wants, now=LATER)

    async def answer(self) -> ProvedNetting:
        async with self.house.db.reading() as tx:
            ((register,),) = await tx.rows("SELECT register_id FROM committed_seals")
            place = (register, BEGAN, END)
            found = await nettings.of_period(tx, GENESIS.network, place)
        assert found is not None
        (day,) = found.asked.days
        netting = replace(found.asked, days=(replace(day, slots=day.slots[:1]),))
        bits = {self.day.digest: self.device.bits}
        openings = {self.day.digest: self.day.openings}
        proved = prove_netting(netting, openings, bits, self.device.key)
        await module.take(self.house.db, proved, GENESIS, LATER)
        return proved

    async def listed(self, who: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await self.house.get(self.path, who))["items"]
        return found


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[Home]:
    async with a_house(tmp_path) as house:
        start = RegisterStart(IMPORT, 900, 0, BEGAN, 1, 16)
        _, device = await enrol_private(house, start)
        day = device.tell([100 * n for n in range(24)])
        await take_in(house, day)
        yield Home(house, device, day)


async def test_what_is_asked_and_what_was_proved_is_seen_by_whose_home_it_is(
    home: Home,
) -> None:
    assert await home.listed("ada") == []
    await home.ask()
    (asked,) = await home.listed("ada")
    assert (asked["begin"], asked["end"]) == (BEGAN, END)
    assert (asked["asked_slots"], asked["asked_wh"]) == (2, 9_150)
    assert (asked["answered_at"], asked["netted_wh"]) == (None, 0)
    proof = f"{home.path}/{asked['id']}/proof"
    assert (await home.house.ask("GET", proof, "ada")).status_code == 404
    proved = await home.answer()
    (answered,) = await home.listed("operator")
    assert (answered["netted_slots"], answered["netted_wh"]) == (1, 150)
    assert answered["answered_at"] == LATER
    for who in ("ada", "operator"):
        file = await home.house.ask("GET", proof, who)
        assert file.status_code == 200
        assert read_netting(file.content, GENESIS.network) == proved
    assert (
        await home.house.ask("GET", f"{home.path}/9/proof", "ada")
    ).status_code == 404


async def test_nobody_else_sees_which_slots_used_so_much(home: Home) -> None:
    await home.ask()
    await home.answer()
    proof = f"{home.path}/1/proof"
    for who in ("bo", "auditor", "metrics"):
        for path in (home.path, proof):
            assert (await home.house.ask("GET", path, who)).status_code == 403
    async with home.house.db.transaction() as tx:
        point = home.house.registry.point
        await write.end_tenancy(tx, point, at=SLOT)
        cleo = Tenancy(home.house.members["cleo"], point, SLOT, None)
        await write.begin_tenancy(tx, cleo)
    assert await home.listed("cleo") == []
    assert (await home.house.ask("GET", proof, "cleo")).status_code == 404
    assert len(await home.listed("ada")) == 1


async def test_an_erased_members_proof_is_for_operators_with_a_reason(
    home: Home,
) -> None:
    await home.ask()
    proved = await home.answer()
    proof = f"{home.path}/1/proof"
    async with home.house.db.transaction() as tx:
        point = home.house.registry.point
        await write.end_tenancy(tx, point, at=SLOT)
        cleo = Tenancy(home.house.members["cleo"], point, SLOT, None)
        await write.begin_tenancy(tx, cleo)
    # Who came after him was erased: that is none of this netting's.
    await erased(home.house, "cleo")
    assert (await home.house.ask("GET", proof, "operator")).status_code == 200
    await erased(home.house, "ada")
    answer = await home.house.ask("GET", proof, "operator")
    assert problem(answer) == (409, "erased")
    short = await home.house.ask("GET", f"{proof}?reason=a", "operator")
    assert short.status_code == 422
    kept = await home.house.ask("GET", f"{proof}?reason=tax+audit", "operator")
    assert read_netting(kept.content, GENESIS.network) == proved
    assert await looks(home.house) == ["netting 1: tax audit"]
