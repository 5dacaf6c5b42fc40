"""How deeds stand, for people: their attempts, where they were seen, what keeps them.

Whoever opened the transaction commits it. This module must never write.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from meterseal_aggregator.stacks.node.port import Block
from meterseal_aggregator.stacks.outbox.deeds import State
from meterseal_aggregator.stacks.outbox.plan import Attempt
from meterseal_aggregator.stacks.outbox.troubles import Kind, Lasting
from meterseal_aggregator.stacks.transaction import called
from meterseal_aggregator.storage.database import Transaction
from meterseal_proto.clarity import Value, decode

OPEN: Final = frozenset({State.WANTED, State.SENT})
_DEEDS: Final = """
SELECT d.id, d.account, d.deed, d.payload, d.state, d.nonce, d.taken_at, d.wanted_at,
  d.settled_at, s.txid, s.height, s.block_id, s.ok, s.result
FROM deeds d LEFT JOIN seen s ON s.deed_id = d.id
"""
_TRIES: Final = """
SELECT deed_id, txid, fee, made_at, sent_at, cancels FROM attempts
WHERE deed_id BETWEEN ? AND ? ORDER BY id
"""
_TROUBLES: Final = """
SELECT deed_id, kind, why, first_at, last_at FROM troubles
WHERE deed_id BETWEEN ? AND ? ORDER BY first_at, kind
"""


@dataclass(frozen=True, slots=True)
class Standing:
    """A deed as it stands; times in Unix seconds, fees in micro-STX."""

    id: int
    account: str
    name: str
    calls: str
    state: State
    nonce: int | None
    taken_at: int | None
    wanted_at: int
    settled_at: int | None
    block: Block | None
    result: Value | None
    tries: tuple[Attempt, ...]
    troubles: tuple[Lasting, ...]

    @property
    def is_open(self) -> bool:
        """Whether it is still to be settled."""
        return self.state in OPEN

    @property
    def cancelled(self) -> bool:
        """Whether what stands in the block only took its place."""
        seen = self.block
        return any(a.cancels for a in self.tries if seen and a.txid == seen.txid)

    def trouble(self, kind: Kind) -> Lasting | None:
        """Give its trouble of a kind, if it has one."""
        return next((one for one in self.troubles if one.kind is kind), None)


async def page(
    tx: Transaction, states: Sequence[State], *, after: int, limit: int
) -> list[Standing]:
    """Give deeds in these states by id, `limit` of them above id `after`."""
    marks = ", ".join("?" * len(states))
    where = f"WHERE d.state IN ({marks}) AND d.id > ? ORDER BY d.id LIMIT ?"
    told = tuple(state.value for state in states)
    return await _read(tx, where, (*told, after, limit))


async def latest(tx: Transaction, state: State, limit: int) -> list[Standing]:
    """Give the deeds that came into a settled state last, newest first."""
    where = "WHERE d.state = ? ORDER BY d.settled_at DESC, d.id DESC LIMIT ?"
    return await _read(tx, where, (state.value, limit))


async def counts(tx: Transaction) -> dict[str, dict[State, int]]:
    """Count deeds by account and state."""
    found: dict[str, dict[State, int]] = {}
    sql = "SELECT account, state, count(*) FROM deeds GROUP BY account, state"
    for account, state, count in await tx.rows(sql):
        found.setdefault(account, {})[State(state)] = count
    return found


async def _read(
    tx: Transaction, where: str, params: tuple[str | int, ...]
) -> list[Standing]:
    rows = await tx.rows(f"{_DEEDS} {where}", params)
    if not rows:
        return []
    ids = [row[0] for row in rows]
    tries: dict[int, list[Attempt]] = {}
    for deed_id, *plain, cancels in await tx.rows(_TRIES, (min(ids), max(ids))):
        txid, fee, made_at, sent_at = plain
        one = Attempt(txid, fee, made_at, sent_at, cancels=bool(cancels))
        tries.setdefault(deed_id, []).append(one)
    troubles: dict[int, list[Lasting]] = {}
    for deed_id, kind, *rest in await tx.rows(_TROUBLES, (min(ids), max(ids))):
        troubles.setdefault(deed_id, []).append(Lasting(Kind(kind), *rest))
    return [
        _standing(row, tries.get(row[0], []), troubles.get(row[0], [])) for row in rows
    ]


def _standing(
    row: Sequence[Any], tries: list[Attempt], troubles: list[Lasting]
) -> Standing:  # Any: as SQLite gives a row
    deed_id, account, name, payload, state, nonce, taken_at, *times = row[:9]
    txid, height, block, ok, said = row[9:]
    call = called(payload)
    calls = f"{call[0].name}.{call[1]}" if call else "transfer"
    return Standing(
        id=deed_id,
        account=account,
        name=name,
        calls=calls,
        state=State(state),
        nonce=nonce,
        taken_at=taken_at,
        wanted_at=times[0],
        settled_at=times[1],
        block=None if txid is None else Block(txid, height, block, bool(ok)),
        result=None if said is None else decode(said),
        tries=tuple(tries),
        troubles=tuple(troubles),
    )
