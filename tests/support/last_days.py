"""The last days of a device: it lives, signs one bill, dies, and is replaced."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from meterseal_aggregator.registry.model import CodeKind
from tests.support.committed import flat
from tests.support.lost_device import (
    BEGAN,
    DAY_S,
    STEP,
    Device,
    House,
    a_restoring_house,
)

FLAT, NIGHT = flat(250_000), flat(100_000, "night")
PERIOD = BEGAN + 3 * DAY_S
"""End of the first billing period."""
DIED = BEGAN + 5 * DAY_S + 7 * STEP
"""When it read its meter last: five days were receipted."""
CAME = BEGAN + 7 * DAY_S + 11 * STEP
"""When its successor was enrolled."""
END = BEGAN + 9 * DAY_S
"""End of the period with the failure in it."""


@asynccontextmanager
async def a_tariffed_house(folder: Path) -> AsyncIterator[House]:
    """Open an aggregator that published both tariffs."""
    async with a_restoring_house(folder) as made:
        await made.publish(FLAT, NIGHT)
        yield made


@asynccontextmanager
async def a_dying_device(house: House, folder: Path) -> AsyncIterator[Device]:
    """Let a device live five days, sign one bill, and be about to die."""
    one = Device(house, folder / "first")
    await one.enrol()
    one.learn(FLAT)
    one.learn(NIGHT)
    await one.live(PERIOD)
    await house.bill(one.bill(FLAT, BEGAN, PERIOD))
    await one.live(DIED)
    try:
        yield one
    finally:
        one.close()


async def successor(
    device: Device, folder: Path, secret: bytes | None = None
) -> Device:
    """Enrol another device in its place, two days later."""
    device.house.now = CAME
    other = Device(device.house, folder / f"successor-{device.house.now}")
    if secret is None:
        secret = device.store.keys_secret().value
    await other.enrol(CodeKind.REPLACEMENT, secret)
    await device.house.work()
    return other
