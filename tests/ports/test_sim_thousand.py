"""A street of 1,000 meters in one process: every one answers, and as itself."""

import asyncio
import struct
from pathlib import Path

import pytest

from meterseal_sim.listing import Address
from meterseal_sim.scenario import shelf
from meterseal_sim.scenario.read import Given
from meterseal_sim.scenario.work import stand_for
from meterseal_sim.serve.frames import MBAP
from meterseal_sim.stand import Wiring
from meterseal_sim.street import Home
from tests.support.simlines import Hands, homes_of, standing

METERS = 1000
TOGETHER = 8
"""Questions on the way at once: half of what one gateway takes."""


async def serial_of(home: Home, address: Address) -> bool:
    """Ask one meter for its serial number and say whether it is the right one."""
    reader, writer = await asyncio.open_connection(address.host, address.port)
    place = 129 if "iem" in home.profile.name else 64512
    writer.write(MBAP.pack(7, 0, 6, address.unit) + struct.pack(">BHH", 3, place, 2))
    head = MBAP.pack(7, 0, 7, address.unit) + bytes((3, 4))
    answer = await asyncio.wait_for(reader.readexactly(len(head) + 4), 60)
    writer.close()
    await writer.wait_closed()
    return answer == head + struct.pack(">I", int(home.serial))


@pytest.mark.parametrize("gateway", [False, True])
async def test_each_of_a_thousand_meters_answers_as_itself(gateway: bool) -> None:
    homes = homes_of(homes=METERS)
    async with standing(homes, Hands(), Wiring(gateway=gateway)) as stand:
        places = stand.places()
        ports = {address.port for _, address in places if isinstance(address, Address)}
        room = asyncio.Semaphore(TOGETHER)

        async def ask(home: Home, address: Address) -> bool:
            async with room:
                return await serial_of(home, address)

        right = await asyncio.gather(
            *(ask(home, at) for home, at in places if isinstance(at, Address))
        )
        tallies = [
            tally.answered
            for post in stand.posts
            for tally in post.line.bus.tallies.values()
        ]
    assert len(ports) == (5 if gateway else METERS)
    assert right == [True] * METERS
    assert tallies == [1] * METERS


def test_the_scenario_of_a_thousand_that_we_ship_can_be_put_up() -> None:
    given = Given(1_782_864_000, Path("terminals"))
    found = shelf.shipped(shelf.SCENARIOS, "thousand", given)
    stand = stand_for(found, lambda: 0.0)
    assert sum(len(post.line.bus.homes) for post in stand.posts) == METERS
