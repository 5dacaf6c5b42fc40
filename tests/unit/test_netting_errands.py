"""Nettings on their way: asked by the receipt key until the time is over, taken from their agent."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from meterseal_aggregator.privacy.errands.desk import ErrandDesk
from meterseal_aggregator.privacy.errands.send import (
    AGAIN_S,
    REST_S,
    Messenger,
    Voice,
)
from meterseal_proto.errand import encode_errand
from meterseal_proto.errand_down import NettingAsked, open_told
from tests.support.devices import GENESIS
from tests.support.frontdesk import RECEIPT_KEY
from tests.support.privatebills import BLOCKS
from tests.support.privatebuyer import END, Buyer, a_buyer, at
from tests.support.privateperiods import STANDING, daily


@dataclass
class Wire:
    """A home that is asked what it nets, and what its agent hears."""

    home: Buyer
    there: bool = True
    heard: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        voice = Voice(GENESIS.network, RECEIPT_KEY, self._tell)
        self.messenger = Messenger(self.home.home.desk.database, voice)

    def _tell(self, agent: str, payload: bytes) -> bool:
        assert agent == self.home.home.device.agent
        if self.there and payload.startswith(b"\x87\x18\x24"):
            self.heard.append(payload)
        return self.there

    async def asked(self, now: int) -> list[NettingAsked]:
        """Run the duty; returns the askings for netting that were heard."""
        self.heard.clear()
        await self.messenger.run_once(now)
        key, network = RECEIPT_KEY.public_key(), GENESIS.network
        told = [open_told(one, network, key) for one in self.heard]
        return [one for one in told if isinstance(one, NettingAsked)]


@pytest.fixture
async def wire(tmp_path: Path) -> AsyncIterator[Wire]:
    async with a_buyer(tmp_path, daily(BLOCKS, STANDING)) as home:
        await home.street.deliver(at(1), 300)
        await home.street.deliver(at(30), 2_000)
        await home.opened()
        yield Wire(home)


async def test_a_device_is_asked_again_every_hour_until_it_answers(wire: Wire) -> None:
    (told,) = await wire.asked(END)
    assert told.netting == await wire.home.asked()
    assert await wire.asked(END + AGAIN_S - 1) == []
    assert await wire.asked(END + AGAIN_S) == [told]
    await wire.home.net()
    assert await wire.asked(END + 2 * AGAIN_S) == []


async def test_nobody_is_asked_once_the_bill_waits_no_longer(wire: Wire) -> None:
    found = await wire.home.request()
    assert found is not None
    until = found.period.waits_until
    assert len(await wire.asked(until - 1)) == 1
    assert await wire.asked(until + AGAIN_S) == []


async def test_an_agent_that_is_away_is_asked_when_it_is_there(wire: Wire) -> None:
    wire.there = False
    assert await wire.asked(END) == []
    wire.there = True
    assert await wire.asked(END + REST_S - 1) == []
    assert len(await wire.asked(END + REST_S)) == 1


async def test_an_answer_is_taken_from_its_own_agent_alone(wire: Wire) -> None:
    home = wire.home
    proved = home.prove(home.fits(await home.asked()))
    desk = ErrandDesk(home.home.desk.database, GENESIS, lambda: END)
    assert desk.take("pi-9", encode_errand(proved))
    assert await desk.keep_taken() == 0
    assert desk.tally.refused == {"no-such-register": 1}
    assert desk.take(home.home.device.agent, encode_errand(proved))
    assert await desk.keep_taken() == 1
    assert desk.tally.taken == {"netting": 1}
    found = await home.request()
    assert found is not None
    assert found.answer == proved.netting
