"""The agent ends at once, also when a library loses the first word to stop."""

import asyncio

from meterseal_agent.run.duties import CANCEL_AGAIN_S, end_all


async def test_a_duty_that_lost_one_cancellation_is_told_again() -> None:
    told = 0

    async def deaf_once() -> None:
        nonlocal told
        while True:
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                told += 1
                if told > 1:
                    raise

    task = asyncio.create_task(deaf_once())
    await asyncio.sleep(0)
    async with asyncio.timeout(20 * CANCEL_AGAIN_S):
        await end_all([task])
    assert told == 2
    assert task.cancelled()
