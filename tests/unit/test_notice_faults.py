"""A way out that breaks breaks its own letters alone."""

from pathlib import Path

import pytest

from meterseal_aggregator.notices.duty import Mailroom, run_once
from meterseal_aggregator.notices.model import Address, Way
from tests.support.billed import DAY
from tests.support.pigeons import LINK, NUMBER, Pigeons, a_post, email


async def test_what_others_took_is_not_sent_again_because_one_letter_broke(
    tmp_path: Path,
) -> None:
    async with a_post(tmp_path) as post:
        await post.wish(email(), Address(Way.SMS, NUMBER))
        await post.bill()
        broken = Pigeons(RuntimeError("a fault of ours"))
        room = Mailroom({Way.EMAIL: broken, Way.SMS: post.pigeons}, (), LINK)
        with pytest.raises(RuntimeError, match="a fault of ours"):
            await run_once(post.db, room, post.now)
        assert sorted(await post.states()) == [
            ("bill-issued", "sent", 1),
            ("bill-issued", "waiting", 1),
        ]
        with pytest.raises(RuntimeError):
            await run_once(post.db, room, post.now + DAY)
        assert len(post.pigeons.took) == 1
