"""A street's total through the API: a trustee's own spelling in, a proved number out."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from meterseal_aggregator.intake.batch import Intake, Notary
from meterseal_aggregator.intake.failed import set_aside
from meterseal_aggregator.privacy import proofs
from meterseal_aggregator.web.shapes import TOTALS_BURST
from meterseal_proto.enrolment import RegisterStart, enrolment_hash
from meterseal_proto.keys import RootSecret
from meterseal_proto.reporting import Reported, quarter_of, quarter_text
from meterseal_proto.seal import Head, parse_header
from meterseal_proto.totals import Masked, mask_of, proves, seeds_of, summed
from meterseal_proto.units import IMPORT, MeterId
from meterseal_trustee.desk import spelled
from meterseal_trustee.shapes import SetBody
from tests.support.committed import SEEDS, CommittedDevice, enrol_committed
from tests.support.enrolling import GENESIS, LOG_KEY
from tests.support.webhouse import LATER, WebHouse, a_house, pretty

DAY = LATER // 86_400 - 1
HOMES, REPORTING = 32, 20
VALUES = [20 * hour + 3 for hour in range(24)]
PATH = f"/v1/cells/street/days/{DAY}"


def a_home(number: int) -> CommittedDevice:
    meter = MeterId(number.to_bytes(16))
    key = RootSecret(number.to_bytes(32)).seal_key()
    start = RegisterStart(IMPORT, 3_600, 0, DAY * 86_400, 1, 16)
    link = enrolment_hash(GENESIS.network, meter, start, key.public)
    head = Head(0, link, start.at, 0)
    return CommittedDevice(
        meter, "pi-1", key, start, link, head, step=3_600, genesis=GENESIS
    )


@dataclass
class Street:
    """The house, and its homes: the first REPORTING of them told their day."""

    house: WebHouse
    homes: list[CommittedDevice]

    async def do(self, path: str, body: object, who: str = "operator") -> Any:
        return await self.house.post(path, who, body)


@pytest.fixture
async def street(tmp_path: Path) -> AsyncIterator[Street]:
    async with a_house(tmp_path) as house:
        homes = [a_home(n) for n in range(1, HOMES + 1)]
        async with house.db.transaction() as tx:
            await enrol_committed(tx, homes)
        intake = Intake(house.db, Notary(GENESIS, LOG_KEY), lambda: LATER)
        days = [home.tell(VALUES).by("pi-1") for home in homes[:REPORTING]]
        await intake.deliver(days)
        intake.close()
        assert not intake.tally.reasons
        await proofs.run_once(house.db, GENESIS, LATER, set_aside)
        yield Street(house, homes)


def answer(trustee: int, reported: list[Reported]) -> dict[str, object]:
    sums = {
        seed: summed(mask_of(SEEDS[seed], one.place()) for one in reported)
        for seed in seeds_of(trustee)
    }
    return {"trustee": trustee, **spelled(sums)}


async def test_a_total_goes_from_cell_to_proof(street: Street) -> None:
    cell = {
        "cell": "street",
        "quarter": quarter_text(quarter_of(DAY)),
        "register": "1-0:1.8.0",
        "meters": [home.meter.hex() for home in street.homes],
    }
    assert (await street.do(f"{PATH}/set", {})).status_code == 409
    made = await street.do("/v1/cells", cell)
    assert (made.status_code, made.json()["members"]) == (201, HOMES), pretty(made)
    assert (await street.do("/v1/cells", cell)).status_code == 409
    early = {
        "answers": [
            {"trustee": 0, "sums": {"1": {"value": "00" * 32, "blinding": "00" * 32}}}
        ]
    }
    assert (await street.do(f"{PATH}/total", early)).status_code == 404

    fixed = (await street.do(f"{PATH}/set", {})).json()
    # What the aggregator says is what a trustee reads, but for the statement.
    SetBody.model_validate({k: v for k, v in fixed.items() if k != "statement"})
    assert (await street.do(f"{PATH}/set", {})).json() == fixed
    reported = [
        Reported(parse_header(bytes.fromhex(m["header"])), m["revision"])
        for m in fixed["members"]
    ]
    assert len(reported) == REPORTING

    one = {"answers": [answer(0, reported)]}
    refused = await street.do(f"{PATH}/total", one)
    assert refused.json()["type"].endswith("not-the-total"), pretty(refused)
    assert (await street.house.get("/v1/network/totals"))["items"] == []
    both = {"answers": [answer(0, reported), answer(1, reported)]}
    for who in ("ada", "auditor", "metrics"):
        assert (await street.do(f"{PATH}/total", both, who)).status_code == 403
    told = await street.do(f"{PATH}/total", both)
    assert told.status_code == 201, pretty(told)
    assert told.json()["value"] == REPORTING * sum(VALUES)

    # Anybody, without a token: the headers' sums are value V + blinding B.
    (shown,) = (await street.house.get("/v1/network/totals"))["items"]
    assert shown == told.json()
    path = f"/v1/network/totals/{shown['set_id']}/set"
    members = (await street.house.get(path))["members"]
    sums = [parse_header(bytes.fromhex(m["header"])).sum for m in members]
    found = Masked(shown["value"], int(shown["blinding"], 16))
    assert proves(found, sums)
    assert not proves(Masked(found.value + 1, found.blinding), sums)
    acts = (await street.house.get("/v1/acts", "operator"))["items"]
    assert [act["act"] for act in acts] == [
        *("fix-cell", "fix-set", "fix-set", "publish-total")
    ]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/cells", {}),
        (f"{PATH}/total", {"answers": []}),
        (f"{PATH}/total", {"answers": [{"trustee": 3, "sums": {}}]}),
        (f"{PATH}/total", {"answers": [{"trustee": 0, "sums": {"5": {}}}]}),
    ],
)
async def test_another_shape_is_refused(
    tmp_path: Path, path: str, body: object
) -> None:
    async with a_house(tmp_path) as house:
        assert (await house.post(path, "operator", body)).status_code == 422


async def test_a_mask_beyond_the_order_and_a_set_that_is_none(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        huge = {"1": {"value": "ff" * 32, "blinding": "00" * 32}}
        body = {"answers": [{"trustee": 0, "sums": huge}]}
        assert (await house.post(f"{PATH}/total", "operator", body)).status_code == 400
        missing = await house.ask("GET", "/v1/network/totals/7/set")
        assert missing.status_code == 404


async def test_who_asks_for_totals_without_end_is_asked_to_wait(tmp_path: Path) -> None:
    """No token is needed, and a file costs the reading of 2,000 homes' headers."""
    async with a_house(tmp_path) as house:
        paths = [f"/v1/network/totals{rest}" for rest in ("", "/7/set", "/7/file")]
        for turn in range(TOTALS_BURST):
            answer = await house.ask("GET", paths[turn % 3])
            assert answer.status_code in (200, 404)
        for path in paths:
            answer = await house.ask("GET", path)
            assert answer.status_code == 429, pretty(answer)
            assert int(answer.headers["retry-after"]) >= 1
        assert (await house.ask("GET", "/v1/network")).status_code == 200
