"""Bills asked of a private meter through the API: by the operator, seen by whose it is."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from meterseal_aggregator.privacy.errands import store
from meterseal_aggregator.registry import write
from meterseal_aggregator.registry.model import Tenancy
from meterseal_proto.enrolment import RegisterStart
from meterseal_proto.errand import BillAsked, BillRefused, NoBill
from meterseal_proto.units import IMPORT, MeterId
from tests.support.committed import flat
from tests.support.enrolling import GENESIS, SLOT, a_key
from tests.support.webhouse import LATER, WebHouse, a_house, pretty
from tests.support.webprivate import enrol_private, publish

BEGAN = SLOT - 60 * 900
FLAT = flat(250_000)
LATE = flat(250_000, valid_from=BEGAN + 1)
WISH = {"begin": BEGAN, "end": SLOT, "tariff": FLAT.hash().hex()}


@dataclass
class Home:
    """The house and its committed meter."""

    house: WebHouse

    @property
    def path(self) -> str:
        return f"/v1/meters/{self.house.meter}/registers/1-0:1.8.0/bill-requests"

    async def ask(self, **change: object) -> Any:
        return await self.house.post(self.path, "operator", {**WISH, **change})

    async def listed(self, who: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await self.house.get(self.path, who))["items"]
        return found

    async def refuse(self, why: NoBill) -> None:
        meter = MeterId(bytes.fromhex(self.house.meter))
        asked = BillAsked(meter, IMPORT, BEGAN, SLOT, FLAT.hash())
        no = BillRefused.sign(a_key(), GENESIS.network, asked, why)
        async with self.house.db.transaction() as tx:
            rows = await tx.rows("SELECT id FROM registers")
            assert await store.refuse(tx, rows[0][0], no, LATER)


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[Home]:
    async with a_house(tmp_path) as house:
        await enrol_private(house, RegisterStart(IMPORT, 900, 0, BEGAN, 1, 32))
        await publish(house, FLAT, LATE)
        yield Home(house)


async def test_a_request_is_made_listed_and_its_refusal_shown(home: Home) -> None:
    answer = await home.ask()
    assert answer.status_code == 201, pretty(answer)
    made = answer.json()
    assert (made["state"], made["reason"], made["sent_at"]) == ("asked", None, None)
    assert (await home.ask()).json() == made, "the same again is the same"
    assert await home.listed("operator") == [made]
    await home.refuse(NoBill.TOO_SHORT)
    (refused,) = await home.listed("operator")
    assert (refused["state"], refused["reason"]) == ("refused", "too-short")
    assert refused["answered_at"] == LATER
    assert (await home.ask()).json()["state"] == "asked", "asked anew"


async def test_a_resident_sees_what_was_asked_of_his_own_time(home: Home) -> None:
    house = home.house
    first = (await home.ask()).json()
    assert await home.listed("ada") == [first]
    async with house.db.transaction() as tx:
        await write.end_tenancy(tx, house.registry.point, at=SLOT)
        cleo = Tenancy(house.members["cleo"], house.registry.point, SLOT, None)
        await write.begin_tenancy(tx, cleo)
    after = (await home.ask(begin=SLOT, end=SLOT + 900)).json()
    both = (await home.ask(end=SLOT + 900)).json()
    assert await home.listed("ada") == [first]
    assert await home.listed("cleo") == [after]
    assert await home.listed("operator") == [first, after, both]
    for who in ("bo", "auditor", "metrics"):
        answer = await house.ask("GET", home.path, who)
        assert answer.status_code == 403


async def test_asking_is_the_operators_and_stands_in_the_trail(home: Home) -> None:
    for who in ("ada", "bo", "auditor", "metrics"):
        assert (await home.house.post(home.path, who, WISH)).status_code == 403
    assert (await home.house.post(home.path, None, WISH)).status_code == 401
    await home.ask()
    acts = (await home.house.get("/v1/acts", "auditor"))["items"]
    assert [act["object"] for act in acts if act["act"] == "ask-bill"] == [
        f"meter {home.house.meter} 1-0:1.8.0 from {BEGAN} to {SLOT}"
    ]


WRONG: list[tuple[dict[str, object], int, str]] = [
    ({"end": LATER + 1}, 422, "wrong-period"),
    ({"end": BEGAN}, 422, "wrong-period"),
    ({"begin": SLOT - 401 * 86_400}, 422, "wrong-period"),
    ({"tariff": "00" * 32}, 404, "no-such-tariff"),
    ({"tariff": LATE.hash().hex()}, 404, "no-such-tariff"),
    ({"tariff": "0"}, 422, "bad-request"),
    ({"begin": True}, 422, "bad-request"),
    ({"begin": -1}, 422, "bad-request"),
    ({"amount": 1}, 422, "bad-request"),
]


@pytest.mark.parametrize(("change", "status", "name"), WRONG)
async def test_what_no_device_could_sign_is_not_asked(
    home: Home, change: dict[str, object], status: int, name: str
) -> None:
    answer = await home.ask(**change)
    assert answer.status_code == status, pretty(answer)
    assert answer.json()["type"].endswith(name)
    assert await home.listed("operator") == []


async def test_an_open_or_unknown_register_has_no_such_bills(home: Home) -> None:
    for path in (
        home.path.replace("1.8.0", "2.8.0"),
        home.path.replace(home.house.meter, "00" * 16),
    ):
        answer = await home.house.post(path, "operator", WISH)
        assert answer.status_code == 404, pretty(answer)
