"""Whom silence is told to, and where members say that they are reached."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from meterseal_aggregator.notices import preferences
from meterseal_aggregator.notices.gather import LOOK_S
from meterseal_aggregator.notices.model import (
    Address,
    Way,
)
from meterseal_aggregator.notices.preferences import WrongAddress
from meterseal_proto.units import MeterId
from tests.support.billed import DAY
from tests.support.marketplace import NOW
from tests.support.pigeons import (
    ADA,
    OPERATOR,
    Post,
    a_post,
    email,
)


@pytest.fixture
async def post(tmp_path: Path) -> AsyncIterator[Post]:
    async with a_post(tmp_path) as opened:
        yield opened


# Silence.


async def an_agent(post: Post, name: str, heard_at: int) -> None:
    async with post.db.transaction() as tx:
        ((meter,),) = await tx.rows(
            "INSERT INTO meters (meter, serial, profile, agent, enrolled_at)"
            " VALUES (?, ?, 'test', ?, ?) RETURNING id",
            (MeterId(name.encode().ljust(16)), name, name, NOW - 9 * DAY),
        )
        await tx.rows(
            "INSERT INTO installations (meter_id, meter_point_id, from_at)"
            " VALUES (?, ?, ?)",
            (meter, post.home.point, NOW - 9 * DAY),
        )
        await tx.rows(
            "INSERT INTO registers (meter_id, register, step, capacity_w, initial_value,"
            " initial_at, enrolment_hash) VALUES (?, 1, 900, 1000, 0, 0, ?)",
            (meter, name.encode().ljust(32)),
        )
        await tx.rows(
            "INSERT INTO agent_health (agent, at, received_at, payload)"
            " VALUES (?, ?, ?, x'00')",
            (name, heard_at, heard_at),
        )


async def test_a_silent_agent_is_told_to_its_home_and_to_the_operator_once(
    post: Post,
) -> None:
    await post.wish(email())
    await an_agent(post, "home-7", NOW)
    await post.run(after_s=25 * 3_600)
    assert post.pigeons.took == []
    await post.run(after_s=2 * 3_600)
    assert [one.address.to for one in post.pigeons.took] == [OPERATOR.to, ADA]
    assert "home-7" in post.pigeons.took[0].subject
    for _ in range(3):
        assert await post.run(after_s=LOOK_S) == 0
    # It comes back, and falls silent again.
    async with post.db.transaction() as tx:
        await tx.rows("UPDATE agent_health SET received_at = ?", (post.now,))
    assert await post.run(after_s=26 * 3_600 + LOOK_S) == 4


async def test_an_agent_out_of_service_is_not_missed(post: Post) -> None:
    await an_agent(post, "home-7", NOW)
    async with post.db.transaction() as tx:
        await tx.rows("UPDATE meters SET removed_at = ?", (NOW,))
    assert await post.run(after_s=30 * DAY) == 0


# What members say.


@pytest.mark.parametrize(
    ("way", "to"),
    [
        (Way.EMAIL, "ada"), (Way.EMAIL, "a@b.example\r\nBcc: c@d.example"),
        (Way.EMAIL, "a b@c.example"), (Way.EMAIL, "\u00e4da@home.example"),
        (Way.SMS, "0700"), (Way.SMS, "+0700000000"), (Way.SMS, "+25470000000x"),
        (Way.WEBHOOK, "ftp://a.example"), (Way.WEBHOOK, "https://u:p@a.example"),
        (Way.WEBHOOK, "https://a.example/#x"), (Way.WEBHOOK, "https://a.example/ x"),
        (Way.WEBHOOK, "https:///x"), (Way.WEBHOOK, "https://a.example:x/"),
        (Way.WEBHOOK, "https://a.example/" + "x" * 500),
    ],
)  # fmt: skip
async def test_an_address_that_cannot_be_one_is_refused_without_repeating_it(
    post: Post, way: Way, to: str
) -> None:
    with pytest.raises(WrongAddress) as caught:
        await post.wish(Address(way, to))
    assert to not in str(caught.value)


async def test_a_wish_takes_the_place_of_the_last_and_a_secret_stays_with_its_url(
    post: Post,
) -> None:
    async def secrets() -> list[bytes]:
        async with post.db.reading() as tx:
            found = await preferences.wishes(tx, [post.home.member])
        return [one.secret for one in found[post.home.member].addresses]

    hook = Address(Way.WEBHOOK, "https://a.example/hook")
    await post.wish(hook, email())
    first = await secrets()
    await post.wish(hook)
    assert await secrets() == [first[1]]
    await post.wish(Address(Way.WEBHOOK, "https://b.example/hook"))
    (other,) = await secrets()
    assert len(other) == 32
    assert other != first[1]
    assert "example" not in repr(hook)
