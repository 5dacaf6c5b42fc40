"""A home that hides its usage, enrolled over the API: its device, and its days taken in."""

from meterseal_aggregator.intake.batch import Intake, Notary
from meterseal_aggregator.intake.failed import set_aside
from meterseal_aggregator.privacy import proofs
from meterseal_proto.enrolment import EnrolmentAnswer, RegisterStart
from meterseal_proto.seal import Head
from meterseal_proto.tariff import Tariff
from meterseal_proto.units import MeterId
from tests.support.committed import CommittedDevice, Day
from tests.support.enrolling import GENESIS, LOG_KEY, a_key, a_meter, a_request
from tests.support.webhouse import LATER, WebHouse, pretty


async def enrol_private(
    house: WebHouse, start: RegisterStart
) -> tuple[EnrolmentAnswer, CommittedDevice]:
    """Enrol a committed register of agent home-1; returns the answer and the device."""
    code = await house.registry.code(expires_at=LATER + 60)
    request = a_request(code, a_meter(registers=(start,)))
    answer = await house.post("/v1/enrolments", None, request.to_json())
    assert answer.status_code == 201, pretty(answer)
    enrolled = EnrolmentAnswer.from_json(answer.content)
    house.meter = enrolled.meters[0].meter
    link = bytes.fromhex(enrolled.heads[0].hash)
    device = CommittedDevice(
        MeterId(bytes.fromhex(house.meter)), "home-1", a_key(), start, link,
        Head(0, link, start.at, 0), genesis=GENESIS,
    )  # fmt: skip
    return enrolled, device


async def take_in(house: WebHouse, *days: Day) -> None:
    """Let intake accept the days of home-1, and prove them."""
    intake = Intake(house.db, Notary(GENESIS, LOG_KEY), lambda: LATER)
    await intake.deliver([day.by("home-1") for day in days])
    intake.close()
    assert not intake.tally.reasons
    await proofs.run_once(house.db, GENESIS, LATER, set_aside)


async def publish(house: WebHouse, *tariffs: Tariff) -> None:
    """Publish tariffs as the operator."""
    for tariff in tariffs:
        body = {"document": tariff.document().decode()}
        answer = await house.post("/v1/tariffs", "operator", body)
        assert answer.status_code == 201, pretty(answer)
        assert answer.json()["hash"] == tariff.hash().hex()


async def erased(house: WebHouse, name: str) -> None:
    """Write down that a member was erased; nothing of his is taken out."""
    async with house.db.transaction() as tx:
        await tx.rows(
            "INSERT INTO erasures VALUES (?, 'asked', 'op', ?, 1, 2, 3, 'op', NULL)",
            (house.members[name], bytes(32)),
        )


async def looks(house: WebHouse) -> list[str]:
    """Return what operators looked at of erased members', each with its reason."""
    acts = (await house.get("/v1/acts?limit=500", "operator"))["items"]
    return [act["object"] for act in acts if act["act"] == "restricted-bill"]
