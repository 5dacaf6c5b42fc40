"""From a bill to a mailbox, a phone and a program of the member's, over real wires."""

from contextlib import AsyncExitStack
from pathlib import Path

from meterseal_aggregator.notices.duty import Mailroom, run_once
from meterseal_aggregator.notices.model import Address, Way
from meterseal_aggregator.notices.outlets.webhook import Webhook
from tests.support.outletstands import (
    AT,
    Mood,
    Stand,
    a_mail_stand,
    a_webhook_stand,
    an_sms_stand,
)
from tests.support.pigeons import LINK, a_post

MAKERS = {
    Way.EMAIL: a_mail_stand,
    Way.SMS: an_sms_stand,
    Way.WEBHOOK: a_webhook_stand,
}


async def test_a_bill_reaches_its_member_by_every_way_and_what_was_down_later(
    tmp_path: Path,
) -> None:
    async with AsyncExitStack() as stack:
        stands: dict[Way, Stand] = {
            way: await stack.enter_async_context(make(tmp_path / way.value))
            for way, make in MAKERS.items()
        }
        post = await stack.enter_async_context(a_post(tmp_path))
        outlets = {way: stand.outlet for way, stand in stands.items()}
        room = Mailroom(outlets, (), LINK)
        await post.wish(*(Address(way, stand.to) for way, stand in stands.items()))
        stands[Way.EMAIL].mood = Mood.BUSY
        await post.bill(12_50)
        assert await run_once(post.db, room, post.now) == 6
        assert await run_once(post.db, room, post.now) == 0
        stands[Way.EMAIL].mood = Mood.TAKING
        assert await run_once(post.db, room, post.now + 120) == 1
        for stand in stands.values():
            ((number, text),) = stand.taken
            assert len(number) == 32
            assert "12.50" in text
            assert f"{LINK}/bills/B-1" in text
        assert len({stand.taken[0][0] for stand in stands.values()}) == 3
        assert {state for _, state, _ in await post.states()} == {"sent"}


async def test_a_webhook_into_our_own_network_is_given_up_at_once(
    tmp_path: Path,
) -> None:
    async with a_webhook_stand(tmp_path) as stand, a_post(tmp_path) as post:
        room = Mailroom({Way.WEBHOOK: Webhook(lambda: AT)})
        await post.wish(Address(Way.WEBHOOK, stand.to))
        await post.bill()
        await run_once(post.db, room, post.now)
        assert stand.heard == []
        assert await post.states() == [("bill-issued", "given-up", 1)]
