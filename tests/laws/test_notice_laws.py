"""The law of notices: whatever fails in between, each thing is told, and known to be one.

Seen to fail: when what failed is taken for settled; when a try has an id of its own; when
an event's second way is forgotten.
"""

import asyncio
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from meterseal_aggregator.notices.model import Address, State, Way
from meterseal_aggregator.notices.pace import LONGEST_S
from meterseal_proto.errors import Unavailable
from tests.support.pigeons import ADA, NUMBER, Post, a_post

acts = st.sampled_from(["bill", "dispute", "run", "run", "fail", "die", "mend", "wait"])
TROUBLES = {"fail": Unavailable("busy"), "die": RuntimeError("the power failed")}
MOST_TRIES = 6
"""Failing runs of a history: fewer than after which a notice is given up."""


@given(st.lists(acts, max_size=25))
@settings(max_examples=40, deadline=None)
def test_whatever_fails_everything_is_told_and_each_thing_by_one_id(
    happened: Sequence[str],
) -> None:
    async def story() -> None:
        with tempfile.TemporaryDirectory() as folder:
            async with a_post(Path(folder)) as post:
                await post.wish(Address(Way.EMAIL, ADA), Address(Way.SMS, NUMBER))
                told = await _live(post, happened)
                await _until_quiet(post)
                _check(post, told)
                states = {state for _, state, _ in await post.states()}
                assert states <= {State.SENT.value}

    asyncio.run(story())


async def _live(post: Post, happened: Sequence[str]) -> int:
    """Let it happen; returns how many things there were to tell."""
    told = failed = 0
    for act in happened:
        match act:
            case "bill":
                await post.bill()
                told += 1
            case "dispute":
                told += 1
                await post.tell("dispute", {"dispute": told, "state": "rejected"})
            case "fail" | "die" if failed < MOST_TRIES:
                post.pigeons.trouble = TROUBLES[act]
            case "wait":
                post.now += 3_600
            case "run":
                failed += post.pigeons.trouble is not None
                await _run(post)
            case _:
                post.pigeons.trouble = None
    return told


async def _run(post: Post) -> None:
    try:
        await post.run()
    except RuntimeError:
        # What died begins again as it was left.
        post.pigeons.trouble = None


async def _until_quiet(post: Post) -> None:
    post.pigeons.trouble = None
    post.now += 2 * LONGEST_S
    while await post.run():
        post.now += 2 * LONGEST_S


def _check(post: Post, told: int) -> None:
    took = post.pigeons.took
    by_id = {one.id: (one.address.way, one.subject) for one in took}
    assert len(by_id) == 2 * told
    assert all(by_id[one.id] == (one.address.way, one.subject) for one in took)
    ways = Counter(way for way, _ in by_id.values())
    assert ways[Way.EMAIL] == ways[Way.SMS] == told
