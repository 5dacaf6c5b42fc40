"""An agent learns that a proof failed, though its day was receipted long before.

What it must be told stands in the tables: a failed day that was not told again. So a
restart forgets nothing: agents that are there are told at once, the others when they are,
and all of them again each hour until the next revision came. This module must never tell
one agent of another's day, and never count a day as told that nobody was there to hear.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from meterseal_aggregator.storage.database import Database
from meterseal_proto.errors import Reason
from meterseal_proto.receipt import Receipt, Refusal, sign_receipt
from meterseal_proto.units import MeterId, RegisterId

TELL_AGAIN_S: Final = 3_600
"""Seconds of the network's time: a device needs some to prove, and has nothing to lose."""

A_TIME: Final = 50
"""Days an agent is told of at a time, the oldest: an agent that is away, with any number of
them, keeps no other from being told of its own."""

Tell = Callable[[str, bytes], bool]
"""Sends an agent a signed receipt; tells whether the agent was there."""

# A day that was told again, with a higher revision, is answered by that one.
_OPEN: Final = """
SELECT id, agent, meter, register, seq, hash FROM (
  SELECT s.id, m.agent, m.meter, r.register, s.seq, s.hash,
    row_number() OVER (PARTITION BY m.agent ORDER BY s.id) AS place
  FROM range_proofs p JOIN committed_seals s ON s.id = p.seal_id
  JOIN registers r ON r.id = s.register_id JOIN meters m ON m.id = r.meter_id
  WHERE p.state = 'failed' AND (p.told_at IS NULL OR p.told_at <= ?)
    AND NOT EXISTS (SELECT 1 FROM committed_seals n WHERE n.first = s.first
      AND n.register_id = s.register_id AND n.revision > s.revision)) AS waiting
WHERE place <= ? ORDER BY id
"""


async def tell_failures(
    database: Database, network: bytes, key: Ed25519PrivateKey, tell: Tell, now: int
) -> int:
    """Tell agents of their days whose proof failed; returns how many days were told of."""
    async with database.reading() as tx:
        rows = await tx.rows(_OPEN, (now - TELL_AGAIN_S, A_TIME))
    by_agent: dict[str, list[tuple[int, Refusal]]] = defaultdict(list)
    for seal_id, agent, meter, register, seq, digest in rows:
        refusal = Refusal(
            MeterId(meter), RegisterId(register), seq, digest, Reason.PROOF
        )
        by_agent[agent].append((seal_id, refusal))
    told: list[int] = []
    for agent, found in by_agent.items():
        receipt = Receipt(network, agent, now, (), tuple(one for _, one in found))
        if tell(agent, sign_receipt(receipt, key)):
            told += [seal_id for seal_id, _ in found]
    await _note(database, told, now)
    return len(told)


async def _note(database: Database, told: Sequence[int], now: int) -> None:
    if told:
        async with database.transaction() as tx:
            await tx.many(
                "UPDATE range_proofs SET told_at = ? WHERE seal_id = ?",
                [(now, seal_id) for seal_id in told],
            )
