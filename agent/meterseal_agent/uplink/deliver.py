"""Seals out, receipts in: what is sent when, and what is believed.

Seals go oldest first across registers, at most WINDOW without an answer. Only a
receipt signed by the aggregator's receipt key lets one go; a seal without an answer is
sent again after a while and after every reconnection, the same bytes. One whose refusal
is not final rests outside the window, each time twice as long, so it holds up nobody.
Retrying lives here and nowhere else. This module must never let go of a seal by itself.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from meterseal_agent.outbox.model import Applied, SealKey, Stored
from meterseal_agent.uplink.address import Address
from meterseal_agent.uplink.beside import Courier
from meterseal_agent.uplink.link import Link
from meterseal_proto.backfill import Backfill, is_backfill, open_backfill
from meterseal_proto.errand_down import DownErrand, is_errand, open_told
from meterseal_proto.errors import Malformed, Reason, Rejected, Unavailable
from meterseal_proto.receipt import Receipt, open_receipt

WINDOW: Final = 20
"""Seals without an answer: 20 of 100 intervals are a fortnight of one register in
100 KB, and no broker's in-flight limit is lower."""
RESEND_S: Final = 5.0
"""Real seconds before a seal is first sent again: the aggregator answers within one."""
RESEND_CAP_S: Final = 300.0
"""Each repeat without any receipt doubles the wait, up to this: a struggling
aggregator is not helped by a thousand impatient agents."""
BACKOFF_S: Final = 0.5
BACKOFF_CAP_S: Final = 60.0
"""Waits between dials: doubled each time, and jittered so a street does not dial as one."""
TICK_S: Final = 1.0
"""How often overdue seals are looked for."""

_log = logging.getLogger("meterseal.uplink")

Due = Callable[[int, frozenset[SealKey]], Awaitable[list[Stored]]]
"""Returns up to so many signed seals that are not among the busy ones, oldest first."""
Apply = Callable[[Receipt], Awaitable[Applied]]
"""Applies a receipt to the outbox, durably, and says what it did."""
Asked = Callable[[Backfill], Awaitable[None]]
"""Lays out telemetry that the aggregator asks for again."""
ToldBeside = Callable[[DownErrand], Awaitable[None]]
"""Acts on what an aggregator tells a private meter; Rejected when it is not believed."""


@dataclass(slots=True)
class Counters:
    """What happened since the start; for `show` and the metrics."""

    connected: bool = False
    connections: int = 0
    sent: int = 0
    resent: int = 0
    receipts: int = 0
    answered: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    held_back: dict[str, int] = field(default_factory=dict)
    """Refusals that let nothing go, by reason."""
    abandoned: int = 0
    strangers: int = 0
    """Answers that name a seal this outbox does not hold."""
    forged: int = 0
    """Messages from `down` that are neither a receipt nor anything else for us."""
    backfills: int = 0
    """Requests for telemetry, signed and meant for us."""
    errands: int = 0
    """What private meters were told beside receipts, and that was believed."""
    trouble: str = ""
    turns: int = 0
    """Dials, and looks for seals to send: while it grows the uplink gets on."""


@dataclass(frozen=True, slots=True)
class Peer:
    """Whom we talk to: where, as whom, and whose signature counts.

    `network_name` and `agent` stand in topics, `network` is the 32-byte network id.
    """

    address: Address
    network_name: str
    agent: str
    network: bytes
    receipt_key: Ed25519PublicKey


@dataclass(frozen=True, slots=True)
class Beside:
    """What an agent tells beside its seals, and who is told what came down beside receipts."""

    courier: Courier
    asked: Asked
    told: ToldBeside | None = None


class Uplink:
    """The agent's one conversation with its aggregator.

    uplink = Uplink(peer, due, apply)
    await uplink.run()        # until cancelled
    uplink.wake()             # a new record is there
    """

    def __init__(
        self, peer: Peer, due: Due, apply: Apply, beside: Beside | None = None
    ) -> None:
        self._peer = peer
        self._due = due
        self._apply = apply
        self._beside = beside
        self._awake = asyncio.Event()
        self._flight: dict[SealKey, float] = {}
        self._resting: dict[SealKey, float] = {}
        """Seals refused, but not for good: when each is due again."""
        self._rests: dict[SealKey, float] = {}
        self._sent: set[SealKey] = set()
        self._patience = RESEND_S
        self.counters = Counters()

    def wake(self) -> None:
        """Say that there may be something to send; any number of times."""
        self._awake.set()

    async def run(self) -> None:
        """Connect, deliver, reconnect, for ever."""
        fails = 0
        while True:
            self.counters.turns += 1
            before = self.counters.receipts
            try:
                await self._converse()
            except Unavailable as trouble:
                self.counters.trouble = str(trouble)
                _log.warning("uplink_lost trouble=%r", str(trouble))
            finally:
                self.counters.connected = False
            fails = 0 if self.counters.receipts > before else fails + 1
            await asyncio.sleep(backoff(fails, random.random()))  # noqa: S311 - jitter

    async def _converse(self) -> None:
        peer = self._peer
        link = Link(peer.address, network=peer.network_name, agent=peer.agent)
        await link.open()
        self.counters.connections += 1
        self.counters.connected = True
        self.counters.trouble = ""
        self._flight.clear()
        self._resting.clear()
        self._patience = RESEND_S
        _log.info("uplink_connected host=%s", peer.address.host)
        tasks = [
            asyncio.create_task(self._send(link)),
            asyncio.create_task(self._listen(link)),
        ]
        if self._beside is not None:
            tasks.append(asyncio.create_task(self._beside.courier.run(link)))
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await link.close()
        raise Unavailable("the broker closed the connection")

    async def _send(self, link: Link) -> None:
        while True:
            self.counters.turns += 1
            self._awake.clear()
            self._expire()
            room = WINDOW - len(self._flight)
            if room > 0:
                busy = frozenset(self._flight) | frozenset(self._resting)
                seals = await self._due(room, busy)
                for seal in seals:
                    self._publish(link, seal)
                room -= len(seals)
            if self._beside is not None:
                self._beside.courier.settled(quiet=room > 0)
            try:
                async with asyncio.timeout(TICK_S):
                    await self._awake.wait()
            except TimeoutError:
                continue

    def _publish(self, link: Link, seal: Stored) -> None:
        link.publish(seal.payload)
        self._flight[seal.key] = asyncio.get_running_loop().time()
        again = seal.key in self._sent
        self.counters.resent += again
        self.counters.sent += not again
        self._sent.add(seal.key)

    def _expire(self) -> None:
        """Take seals that waited too long for an answer out of the window."""
        now = asyncio.get_running_loop().time()
        late = [key for key, at in self._flight.items() if now - at >= self._patience]
        for key in late:
            del self._flight[key]
        for key in [key for key, until in self._resting.items() if now >= until]:
            del self._resting[key]
        if late:
            self._patience = min(RESEND_CAP_S, 2 * self._patience)

    async def _listen(self, link: Link) -> None:
        while (payload := await link.received()) is not None:
            await self._take(payload)

    async def _take(self, payload: bytes) -> None:
        try:
            if is_backfill(payload):
                await self._take_backfill(payload)
            elif is_errand(payload):
                await self._take_errand(payload)
            else:
                await self._take_receipt(payload)
        except Rejected as wrong:
            self.counters.forged += 1
            _log.warning("answer_refused why=%r", str(wrong))

    async def _take_backfill(self, payload: bytes) -> None:
        request = open_backfill(payload, self._peer.receipt_key)
        self._check_addressee(request.network, request.agent)
        self.counters.backfills += 1
        if self._beside is not None:
            await self._beside.asked(request)
            self._beside.courier.wake()

    async def _take_errand(self, payload: bytes) -> None:
        told = open_told(payload, self._peer.network, self._peer.receipt_key)
        if self._beside is not None and self._beside.told is not None:
            await self._beside.told(told)
        self.counters.errands += 1

    def _check_addressee(self, network: bytes, agent: str) -> None:
        if (network, agent) != (self._peer.network, self._peer.agent):
            raise Malformed("it is for another network or agent")

    async def _take_receipt(self, payload: bytes) -> None:
        receipt = open_receipt(payload, self._peer.receipt_key)
        self._check_addressee(receipt.network, receipt.agent)
        applied = await self._apply(receipt)
        self._note(applied)
        self._patience = RESEND_S
        self.wake()

    def _note(self, applied: Applied) -> None:
        counters = self.counters
        counters.receipts += 1
        counters.answered += len(applied.answered)
        counters.abandoned += len(applied.abandoned)
        counters.strangers += applied.unknown
        for reason in applied.refused:
            counters.refused[reason.text] = counters.refused.get(reason.text, 0) + 1
            _log.warning("seal_refused reason=%s", reason.text)
        for key in (*applied.answered, *applied.abandoned):
            for noted in (self._flight, self._resting, self._rests):
                noted.pop(key, None)
            self._sent.discard(key)
        for key, reason in applied.kept:
            counters.held_back[reason.text] = counters.held_back.get(reason.text, 0) + 1
            self._rest(key, reason)

    def _rest(self, key: SealKey, reason: Reason) -> None:
        """Lay a refused seal aside for a while, if it is in flight: once for each sending."""
        if self._flight.pop(key, None) is None:
            return
        wait = self._rests.get(key, RESEND_S)
        self._resting[key] = asyncio.get_running_loop().time() + wait
        self._rests[key] = min(RESEND_CAP_S, 2 * wait)
        _log.warning("seal_held_back reason=%s again_in_s=%d", reason.text, wait)


def backoff(fails: int, chance: float) -> float:
    """Return the wait before the next dial, in s, after `fails` in a row.

    `chance` is in [0, 1): the wait is half to all of the doubled time.
    """
    if fails == 0:
        return BACKOFF_S * chance
    doubled = min(BACKOFF_CAP_S, BACKOFF_S * 2.0 ** min(fails - 1, 16))
    return doubled * (0.5 + chance / 2)
