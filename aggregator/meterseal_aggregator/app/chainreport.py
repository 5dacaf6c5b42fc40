"""What `meterseal-aggregator chain` says: accounts, what is under way, what failed, what to do.

    for line in await report(house): print(line)

Figures of the chain are a node's word at that moment, and left out where none answers.
This module must never send anything, nor show a key.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from meterseal_aggregator.app.chain import ChainSide, chain_side, means
from meterseal_aggregator.app.house import House
from meterseal_aggregator.stacks.outbox import standing
from meterseal_aggregator.stacks.outbox.advice import Means, judge, orphaned
from meterseal_aggregator.stacks.outbox.deeds import State
from meterseal_aggregator.stacks.outbox.run import Account
from meterseal_aggregator.stacks.outbox.standing import Standing
from meterseal_proto.errors import Unavailable

MICRO: Final = 1_000_000
SHOWN: Final = 100
"""Open deeds that are told one by one; the API has the rest."""
FAILED_SHOWN: Final = 10
_TITLES: Final = ("account", "roles", "STX", "nonce", *(one.value for one in State))
Counts = dict[str, dict[State, int]]


async def report(house: House) -> list[str]:
    """Return the lines; raises Unavailable for a key that cannot be used."""
    async with house.database.reading() as tx:
        counts = await standing.counts(tx)
        states = (State.WANTED, State.SENT)
        unsettled = await standing.page(tx, states, after=0, limit=SHOWN)
        failed = await standing.latest(tx, State.FAILED, FAILED_SHOWN)
    async with chain_side(house) as side:
        if side is None:
            return _without_chain(counts)
        rows = [await _row(side, account, counts) for account in side.signers]
        waits = await _tip(side)
    ours, now = means(house.config), int(house.real_now())
    lines = [waits, *_table([_TITLES, *rows]), *_orphans(counts, ours)]
    for one in (*unsettled, *failed):
        lines += _lines(one, ours, now)
    return lines


def _without_chain(counts: Counts) -> list[str]:
    lines = ["no chain: anchors go to a file, for [stacks] names no node"]
    return lines + _orphans(counts, Means(frozenset(), 0))


async def _tip(side: ChainSide) -> str:
    try:
        tip = await side.node.info()
    except Unavailable as error:
        return f"no node answers: {error}"
    depth = side.limits.depth
    return (
        f"the chain is at block {tip.height}; a deed counts {depth} blocks below that"
    )


async def _row(side: ChainSide, account: Account, counts: Counts) -> tuple[str, ...]:
    """Return an account's line: balance and nonce by a node, deeds by our own table."""
    try:
        balance = await side.node.balance(account.principal)
        stx = f"{balance // MICRO}.{balance % MICRO:06}"
        nonce = str(await side.node.nonce(account.principal))
    except Unavailable:
        stx = nonce = "?"
    roles = ",".join(side.roles(account)) or "former"
    mine = counts.get(account.address, {})
    deeds = (str(mine.get(state, 0)) for state in State)
    return account.address, roles, stx, nonce, *deeds


def _table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = zip(row, widths, strict=True)
        yield "  ".join(cell.ljust(width) for cell, width in cells).rstrip()


def _orphans(counts: Counts, ours: Means) -> list[str]:
    lines = []
    for account, mine in counts.items():
        waiting = sum(mine.get(state, 0) for state in standing.OPEN)
        if waiting and account not in ours.addresses:
            advice = orphaned(account)
            lines += [f"{waiting} open: {advice.wrong}", f"  do: {advice.do}"]
    return lines


def _lines(one: Standing, ours: Means, now: int) -> list[str]:
    begun = one.wanted_at if one.settled_at is None else one.settled_at
    since = "wanted" if one.settled_at is None else "settled"
    tried = f"{len(one.tries)} tries"
    if one.tries:
        last = one.tries[-1]
        tried += f", the last {last.txid} for {last.fee} micro-STX"
    what = f"{one.name} ({one.calls}): {one.state.value}, {tried}"
    lines = [f"{what}, {since} {_span(now - begun)} ago"]
    if one.is_open and one.block is not None:
        lines.append(f"  seen in block {one.block.height}, not deep enough yet")
    advice = judge(one, ours, now)
    if advice is not None:
        lines += [f"  wrong: {advice.wrong}", f"  do: {advice.do}"]
    return lines


def _span(seconds: int) -> str:
    minutes, hours = seconds // 60, seconds // 3600
    if hours >= 48:
        return f"{hours // 24} days"
    return f"{hours} h {minutes % 60} min" if hours else f"{minutes} min"
