"""Files that the API gives carry the anchor over their entries, and lead to the root."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from meterseal_aggregator.stacks.anchors import store as anchors
from meterseal_aggregator.translog import sequencer
from meterseal_aggregator.translog import store as log
from meterseal_proto.bundle import Anchor, stacks_reference
from meterseal_proto.c32 import Principal
from meterseal_proto.chainnode import Kept
from meterseal_proto.claims import Expectation, Verdict
from meterseal_proto.enrolment import RegisterStart
from meterseal_proto.privatefile import PrivateFile, parse_private, statement_json
from meterseal_proto.units import IMPORT
from meterseal_proto.verify import examine, zone_clock
from tests.support.chainsaying import BLOCK, CONTRACT, Says
from tests.support.committed import CommittedDevice, Day, bill_over, flat
from tests.support.enrolling import GENESIS, LOG_KEY, SLOT
from tests.support.evidence import unproved
from tests.support.webhouse import LATER, WebHouse, a_house, do_every_duty, pretty
from tests.support.webprivate import enrol_private, publish, take_in

VALUES = [[7 * n for n in range(24)], [*range(24)]]
FLAT = flat(250_000)
KEY = sequencer.LogKey("street.example/log", LOG_KEY)
KNOWN = Expectation(
    GENESIS.network.hex(), clock=zone_clock, contract=Principal.parse(CONTRACT)
)


@dataclass
class Home:
    """The house of a home that has told two days."""

    house: WebHouse
    device: CommittedDevice
    days: list[Day]

    async def send_bill(self) -> None:
        """Send the bill over both days, and log it."""
        body = statement_json(bill_over(self.device, self.days, FLAT))
        answer = await self.house.post("/v1/private-bills", None, body)
        assert answer.status_code == 201, pretty(answer)
        await sequencer.run_once(self.house.db, KEY, LATER)


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[Home]:
    async with a_house(tmp_path) as house:
        start = RegisterStart(IMPORT, 900, 0, SLOT - 60 * 900, 1, 32)
        _, device = await enrol_private(house, start)
        days = [device.tell(values) for values in VALUES]
        await take_in(house, *days)
        await publish(house, FLAT)
        await sequencer.run_once(house.db, KEY, LATER)
        yield Home(house, device, days)


async def the_day(house: WebHouse) -> PrivateFile:
    path = f"/v1/meters/{house.meter}/registers/1-0:1.8.0/days/1/proof"
    return parse_private((await house.ask("GET", path, "ada")).content)


async def the_bill(house: WebHouse) -> PrivateFile:
    listed = await house.get(
        f"/v1/meters/{house.meter}/registers/1-0:1.8.0/private-bills", "ada"
    )
    path = f"/v1/private-bills/{listed['items'][0]['id']}/file"
    return parse_private((await house.ask("GET", path, "ada")).content)


async def anchor_on_chain(house: WebHouse) -> Kept:
    """Have the newest checkpoint anchored, and returned as its contract keeps it."""
    reference = stacks_reference(GENESIS.chain_id, CONTRACT, BLOCK)
    async with house.db.transaction() as tx:
        head = await log.latest(tx)
        assert head is not None
        row = await anchors.intend(tx, "stacks", head, now=LATER)
        await anchors.complete(tx, row, reference, now=LATER)
    return Kept(head.size, BLOCK)


async def grow(house: WebHouse, count: int) -> None:
    async with house.db.transaction() as tx:
        await log.append(tx, [b"\x03\x01" + n.to_bytes(32) for n in range(count)])
    await sequencer.run_once(house.db, KEY, LATER)


async def test_a_bill_carries_the_proof_from_what_was_anchored_to_its_checkpoint(
    home: Home,
) -> None:
    house = home.house
    await home.send_bill()
    assert (await the_bill(house)).anchor is None
    await do_every_duty(house)
    on_disk = (await the_bill(house)).anchor
    assert on_disk is not None
    assert on_disk.publisher == "file"
    await grow(house, 5)
    kept = await anchor_on_chain(house)
    fresh = await the_bill(house)
    assert _where(fresh) == ("stacks", kept.size, 0)
    await grow(house, 300)
    file = await the_bill(house)
    assert _where(file) == ("stacks", kept.size, len(_anchor(file).proof))
    assert _anchor(file).proof != ()
    knows = Says({_anchor(file).root: kept}, chain=GENESIS.chain_id)
    for one in (fresh, file):
        claims = examine(one.encode(), replace(KNOWN, nodes=(knows.node(),)))
        assert unproved(claims) == [], claims
    none = replace(file, anchor=None)
    claims = examine(none.encode(), replace(KNOWN, nodes=(knows.node(),)))
    assert unproved(claims) == ["anchor"]


async def test_an_anchor_from_before_the_bill_is_carried_by_its_days_alone(
    home: Home,
) -> None:
    house = home.house
    kept = await anchor_on_chain(house)
    await home.send_bill()
    bill, day = await the_bill(house), await the_day(house)
    assert bill.anchor is None
    assert _where(day)[:2] == ("stacks", kept.size)
    knows = Says({_anchor(day).root: kept}, chain=GENESIS.chain_id)
    known = replace(KNOWN, nodes=(knows.node(),))
    assert unproved(examine(day.encode(), known)) == []
    early = replace(bill, anchor=day.anchor)
    assert bill.checkpoint == day.checkpoint
    claims = examine(early.encode(), known)
    assert [c.name for c in claims if c.verdict is Verdict.FAIL] == ["anchor"]


def _anchor(file: PrivateFile) -> Anchor:
    assert file.anchor is not None
    return file.anchor


def _where(file: PrivateFile) -> tuple[str, int, int]:
    anchor = _anchor(file)
    return anchor.publisher, anchor.size, len(anchor.proof)
