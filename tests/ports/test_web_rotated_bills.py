"""Bills across a change of the seal key: each day under its own, the consent under the last."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from meterseal_aggregator.registry import rekey
from meterseal_aggregator.registry.model import Moment
from meterseal_proto.bundle import canonical
from meterseal_proto.claims import Expectation
from meterseal_proto.enrolment import RegisterStart, Rotation, Turn
from meterseal_proto.keys import SealKey
from meterseal_proto.privatefile import read_statement, statement_json
from meterseal_proto.units import IMPORT
from meterseal_proto.verify import examine, zone_clock
from tests.support.committed import CommittedDevice, bill_over, flat
from tests.support.enrolling import (
    GENESIS,
    SLOT,
    TERMS,
    a_key,
)
from tests.support.evidence import unproved
from tests.support.webhouse import LATER, WebHouse, a_house, do_every_duty, pretty
from tests.support.webprivate import enrol_private, publish, take_in

BEGAN = SLOT - 60 * 900
FLAT = flat(250_000)
KNOWN = Expectation(GENESIS.network.hex(), clock=zone_clock)
NEXT = a_key("next")


async def rotate(house: WebHouse, device: CommittedDevice, new: SealKey) -> None:
    """Let the device change its key from its next seal on."""
    turns = (Turn(device.meter, device.register, device.head.seq + 1),)
    wish = Rotation.sign(GENESIS.network, turns, device.key, new)
    async with house.db.transaction() as tx:
        await rekey.rotate(tx, wish, TERMS.chain, Moment(LATER, LATER))
    device.key = new


@asynccontextmanager
async def a_home(folder: Path) -> AsyncIterator[tuple[WebHouse, CommittedDevice]]:
    async with a_house(folder) as house:
        _, device = await enrol_private(
            house, RegisterStart(IMPORT, 900, 0, BEGAN, 1, 16)
        )
        await publish(house, FLAT)
        yield house, device


async def the_file(house: WebHouse, bill: Any) -> dict[str, Any]:
    """Post a bill, which must be taken; returns its file."""
    posted = await house.post("/v1/private-bills", None, statement_json(bill))
    assert posted.status_code == 201, pretty(posted)
    await do_every_duty(house)
    path = f"/v1/private-bills/{posted.json()['id']}/file"
    got = await house.ask("GET", path, "ada")
    assert got.status_code == 200, pretty(got)
    found: dict[str, Any] = json.loads(got.content)
    return found


def failed(file: dict[str, Any]) -> set[str]:
    """Name what does not pass; no node is asked for an anchor here."""
    return set(unproved(examine(canonical(file), KNOWN))) - {"anchor"}


async def two_keys(house: WebHouse, device: CommittedDevice) -> dict[str, Any]:
    """Return the file of a bill over a day of either key."""
    days = [device.tell([5] * 24)]
    await take_in(house, days[0])
    await rotate(house, device, NEXT)
    days.append(device.tell([7] * 24))
    await take_in(house, days[1])
    return await the_file(house, bill_over(device, days, FLAT))


async def test_a_bill_over_two_keys_verifies_day_by_day(tmp_path: Path) -> None:
    async with a_home(tmp_path) as (house, device):
        file = await two_keys(house, device)
        assert len(file["keys"]) == 2
        claims = examine(canonical(file), KNOWN)
        assert unproved(claims) == ["anchor"], claims
        assert "keys" in {claim.name for claim in claims}
        proof = f"/v1/meters/{house.meter}/registers/1-0:1.8.0/days/2/proof"
        day = json.loads((await house.ask("GET", proof, "ada")).content)
        assert day["keys"] == file["keys"][1:]
        assert not failed(day)


def _swap(file: dict[str, Any]) -> None:
    file["keys"].reverse()


def _first_only(file: dict[str, Any]) -> None:
    del file["keys"][1]


def _last_only(file: dict[str, Any]) -> None:
    del file["keys"][0]


def _first_twice(file: dict[str, Any]) -> None:
    file["keys"][1] = file["keys"][0]


def _not_logged(file: dict[str, Any]) -> None:
    file["keys"][1]["proof"][0] = "00" * 32


def _no_event(file: dict[str, Any]) -> None:
    file["keys"][1]["entry"] = file["keys"][1]["entry"][:-2]


def _old_consent(file: dict[str, Any]) -> None:
    """Whoever has the old key consents again, after it was changed."""
    fields = {**file["bill"], "tariff": FLAT.hash().hex()}
    consent = read_statement(fields).statement.consent()
    file["bill"]["consent"] = a_key().sign(consent).hex()


SPOILED: dict[Callable[[dict[str, Any]], None], str] = {
    _swap: "keys",
    _first_only: "signatures",
    _last_only: "signatures",
    _first_twice: "keys",
    _not_logged: "keys",
    _no_event: "keys",
    _old_consent: "bill",
}


async def test_every_key_of_a_file_is_checked(tmp_path: Path) -> None:
    async with a_home(tmp_path) as (house, device):
        whole = await two_keys(house, device)
        for spoil, name in SPOILED.items():
            file = json.loads(json.dumps(whole))
            spoil(file)
            assert name in failed(file), spoil.__name__
        unfit: tuple[Any, ...] = ([], whole["keys"] * 33, None)
        for keys in unfit:
            assert failed({**whole, "keys": keys}) == {"format"}


async def test_days_of_the_old_key_are_billed_by_consent_of_the_new_one_only(
    tmp_path: Path,
) -> None:
    async with a_home(tmp_path) as (house, device):
        day = device.tell([5] * 24)
        await take_in(house, day)
        old = replace(device)
        await rotate(house, device, NEXT)
        stale = await house.post(
            "/v1/private-bills", None, statement_json(bill_over(old, [day], FLAT))
        )
        assert stale.status_code == 422
        assert stale.json()["type"].endswith("not-proved")
        file = await the_file(house, bill_over(device, [day], FLAT))
        assert len(file["keys"]) == 2
        assert not failed(file)


async def test_a_bill_consented_to_before_a_change_of_keys_stays_right_after_it(
    tmp_path: Path,
) -> None:
    async with a_home(tmp_path) as (house, device):
        day = device.tell([5] * 24)
        await take_in(house, day)
        bill = bill_over(device, [day], FLAT)
        posted = await house.post("/v1/private-bills", None, statement_json(bill))
        await rotate(house, device, NEXT)
        await do_every_duty(house)
        path = f"/v1/private-bills/{posted.json()['id']}/file"
        file = json.loads((await house.ask("GET", path, "ada")).content)
        assert len(file["keys"]) == 1
        assert not failed(file)
