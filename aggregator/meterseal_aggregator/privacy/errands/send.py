"""The duty that tells private meters' agents what they have not answered.

    messenger = Messenger(database, voice)
    await messenger.run_once(now)        # how many messages went out

What is to be said stands in the tables, so a restart forgets nothing: seeds that all three
trustees keep, tariffs under a cosigned checkpoint, bills that are asked for, and what of
neighbours' Wh may be netted. A tariff goes before the bill that names it. An agent that is
not there rests for a while and costs nothing meanwhile; what was sent and not answered is
sent again, ever an hour later. This module must never ask for a bill in anybody's name but
its operator's, who wrote the request down.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from meterseal_aggregator.privacy import deposits, tariffs
from meterseal_aggregator.privacy.errands import nettings, store
from meterseal_aggregator.storage.database import Database
from meterseal_proto.errand_down import (
    NettingAsked,
    SeedsKept,
    encode_kept,
    encode_told,
    sign_asked,
    sign_netting_asked,
)

AGAIN_S: Final = 3_600
"""Seconds of the network's time before an unanswered message is sent again."""
REST_S: Final = 10
"""Seconds of the network's time in which an agent that was not there is not tried."""
BATCH: Final = 500
"""Messages of a kind in a run: a village is told in a few, each well inside a lease."""
NETTINGS: Final = 50
"""Nettings in a run: a month's asks about 3,000 slots, and each is read."""

Tell = Callable[[str, bytes], bool]
"""Sends a message down to an agent; tells whether the agent was there."""


@dataclass(frozen=True, slots=True)
class Voice:
    """Who speaks: the network's id, the receipt key, and the way to an agent."""

    network: bytes
    key: Ed25519PrivateKey
    tell: Tell


class Messenger:
    """Remembers who was away, and nothing else."""

    def __init__(self, database: Database, voice: Voice) -> None:
        self._database = database
        self._voice = voice
        self._away: dict[str, int] = {}
        """Until when an agent that was not there rests."""

    async def run_once(self, now: int) -> int:
        """Send what is due at Unix second `now`; returns how many messages went out."""
        self._away = {
            agent: until for agent, until in self._away.items() if until > now
        }
        return (
            await self._confirm_seeds(now)
            + await self._tell_tariffs(now)
            + await self._ask_bills(now)
            + await self._ask_nettings(now)
        )

    async def _confirm_seeds(self, now: int) -> int:
        sent, after = 0, 0
        while True:
            async with self._database.reading() as tx:
                rows = await store.unconfirmed(
                    tx, after=after, resting=self._away, limit=BATCH
                )
                meters = [meter for _, meter, _ in rows]
                kept = await deposits.kept(tx, meters) if meters else {}
            done = [
                row
                for row, meter, agent in rows
                if meter in kept
                and self._tell(agent, encode_kept(SeedsKept(meter, kept[meter])), now)
            ]
            if done:
                async with self._database.transaction() as tx:
                    await store.note_confirmed(tx, done, now)
            sent += len(done)
            if len(rows) < BATCH:
                return sent
            after = rows[-1][0]

    async def _tell_tariffs(self, now: int) -> int:
        async with self._database.reading() as tx:
            rows = await store.untold(
                tx, before=now - AGAIN_S, resting=self._away, limit=BATCH
            )
            proved = {}
            for digest in dict.fromkeys(digest for _, digest in rows):
                found = await tariffs.evidence(tx, digest)
                if found is not None:
                    proved[digest] = encode_told(found)
        done = [
            (agent, digest)
            for agent, digest in rows
            if digest in proved and self._tell(agent, proved[digest], now)
        ]
        if done:
            async with self._database.transaction() as tx:
                await store.note_told(tx, done, now)
        return len(done)

    async def _ask_bills(self, now: int) -> int:
        async with self._database.reading() as tx:
            rows = await store.unsent(
                tx, before=now - AGAIN_S, resting=self._away, limit=BATCH
            )
        voice = self._voice
        done = [
            request.id
            for agent, request in rows
            if self._tell(
                agent, sign_asked(request.asked, voice.network, voice.key), now
            )
        ]
        if done:
            async with self._database.transaction() as tx:
                await store.note_sent(tx, done, now)
        return len(done)

    async def _ask_nettings(self, now: int) -> int:
        voice = self._voice
        async with self._database.reading() as tx:
            rows = await nettings.unsent(
                tx,
                nettings.Look(voice.network, now, now - AGAIN_S),
                resting=self._away,
                limit=NETTINGS,
            )
        done = [
            request.id
            for agent, request in rows
            if self._tell(
                agent, sign_netting_asked(NettingAsked(request.asked), voice.key), now
            )
        ]
        if done:
            async with self._database.transaction() as tx:
                await nettings.note_sent(tx, done, now)
        return len(done)

    def _tell(self, agent: str, payload: bytes, now: int) -> bool:
        """Send to an agent unless it was away a moment ago; tell whether it is there."""
        if agent in self._away:
            return False
        there = self._voice.tell(agent, payload)
        if not there:
            self._away[agent] = now + REST_S
        return there
