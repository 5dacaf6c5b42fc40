"""The whole story in its order, as the demo tells it and a test tries it."""

from collections.abc import Awaitable, Callable
from typing import Final

from deploy.story import beginning, bills, coin, energy, market, month, paying, votes
from deploy.story.mirror import Row, compared, listen
from deploy.story.scene import Scene

CHAPTERS: Final[tuple[Callable[[Scene], Awaitable[None]], ...]] = (
    beginning.network,
    beginning.users,
    beginning.producers,
    beginning.meters,
    energy.readings_checked,
    energy.minted,
    energy.claimed,
    energy.sold,
    market.trades,
    market.court,
    market.reputations,
    coin.published,
    month.month,
    bills.billed,
    paying.in_coin,
    paying.disputed,
    paying.at_a_quote,
    votes.governance_told,
    votes.community,
    votes.rotation,
    votes.audit,
)


async def tell(scene: Scene) -> list[Row]:
    """Tell every chapter; returns what chain and mirror say in the end.

    Raises Stumbled where a chapter does not end as it should.
    """
    for chapter in CHAPTERS:
        await chapter(scene)
    told = await listen(scene.walk.node, scene.at)
    names = {one.principal: name for name, one in scene.people.items()}
    return await compared(scene.walk, scene.at, told, names)
