"""Errands of private meters: seeds deposited, tariffs learnt, bills and nettings answered.

The courier carries what is here to be said; what comes down is believed by its own
signatures and acted on in the outbox's thread. Deposits are sent again, ever more seldom,
until the trustees' signatures are there. An answer is said once and then forgotten: who
misses it asks again, and gets the same. This module must never sign or open anything
itself, nor hold a seal up.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

from meterseal_agent.run.file_thread import FileThread
from meterseal_agent.run.proving import Proving
from meterseal_agent.seal.billing import Billing
from meterseal_agent.seal.opening import NotOpened
from meterseal_agent.seal.seeds import Deposits
from meterseal_agent.uplink.beside import Post
from meterseal_proto.bill import ProvedBill
from meterseal_proto.errand import BillAsked, BillRefused, encode_errand
from meterseal_proto.errand_down import (
    DownErrand,
    NettingAsked,
    SeedsKept,
    TariffTold,
)
from meterseal_proto.errors import Malformed, Rejected
from meterseal_proto.netting import Netting, ProvedNetting

AGAIN_S: Final = 30.0
AGAIN_CAP_S: Final = 3600.0
"""Real seconds before a deposit is sent again, doubled each time: trustees may be away for
days, and a signature that was lost on its way is told again within the hour."""
MAX_ANSWERS: Final = 64
"""Answers that wait to be sent: a bill a register and month is one; more are asked again."""

_log = logging.getLogger("meterseal.errands")


@dataclass(slots=True)
class ErrandCounters:
    """What happened since the start."""

    deposits: int = 0
    """Deposits sent, again or not."""
    kept: int = 0
    """Meters whose three trustees signed since the start."""
    tariffs: int = 0
    """Tariffs told that two pinned keys stand under."""
    billed: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    """Bills not signed, by reason."""
    disbelieved: int = 0
    """What was told without the signatures it needs."""
    dropped: int = 0
    """Wishes for which there was no room, or that are another house's."""
    netted: int = 0
    """Askings for netting that were answered, with slots or without."""


@dataclass(frozen=True, slots=True)
class Handlers:
    """Who does what errands ask: `deposits` None where no trustees are pinned, or wrong ones.

    `now` is the network's time in Unix seconds, `dated` whether the clock was ever set.
    """

    deposits: Deposits | None
    billing: Billing
    thread: FileThread
    now: Callable[[], float]
    dated: Callable[[], bool]
    proving: Proving


@dataclass(slots=True)
class _Sending:
    """A message, when it is next sent (the loop's time), and how long it then rests."""

    payload: bytes
    at: float = 0.0
    wait: float = AGAIN_S

    def is_due(self, now: float) -> bool:
        """Tell whether it is to be sent, and if so lay it aside for a while.

        One that nobody takes must not keep what comes after it from being sent.
        """
        if self.at > now:
            return False
        self.at = now + self.wait
        self.wait = min(AGAIN_CAP_S, 2 * self.wait)
        return True


class Errands:
    """What the courier is given, and who is told what came down; `trouble` in a sentence."""

    def __init__(
        self, handlers: Handlers, wake: Callable[[], None], trouble: str = ""
    ) -> None:
        self._handlers = handlers
        self._wake = wake
        self._answers: dict[BillAsked | bytes, _Sending] = {}
        waiting = handlers.deposits.waiting() if handlers.deposits else {}
        self._deposits = {meter: _Sending(one) for meter, one in waiting.items()}
        self.counters = ErrandCounters()
        self.trouble = trouble

    def next_post(self) -> Post | None:
        """Return what is to be said now: answers first, then a deposit that is due."""
        now = asyncio.get_running_loop().time()
        for name, answer in self._answers.items():
            if answer.is_due(now):
                return Post("private", answer.payload, self._said(name))
        for deposit in self._deposits.values():
            if deposit.is_due(now):
                return Post("private", deposit.payload, self._deposited)
        return None

    async def told(self, told: DownErrand) -> None:
        """Act on what came down; Rejected when it lacks the signatures it needs."""
        match told:
            case SeedsKept():
                await self._kept(told)
            case TariffTold():
                await self._learn(told)
            case BillAsked():
                await self._answer(told)
            case NettingAsked():
                self._ask_netting(told.netting)

    async def _kept(self, told: SeedsKept) -> None:
        deposits = self._handlers.deposits
        if deposits is None:
            raise Malformed("seeds are kept that were never given")
        try:
            fresh = await self._handlers.thread.do(deposits.take, told)
        except Rejected:
            self.counters.disbelieved += 1
            raise
        self._deposits.pop(told.meter, None)
        if fresh:
            self.counters.kept += 1
            _log.info("seeds_kept meter=%s", told.meter.hex())

    async def _learn(self, told: TariffTold) -> None:
        if not self._handlers.dated():
            # When it was known would be a guess, and a bill hangs on that.
            self.counters.dropped += 1
            return
        now = int(self._handlers.now())
        try:
            known = await self._handlers.thread.do(
                self._handlers.billing.learn, told, now=now
            )
        except NotOpened as error:
            self.counters.disbelieved += 1
            _log.warning("tariff_not_learnt why=%r", str(error))
            return
        self.counters.tariffs += 1
        _log.info("tariff_known hash=%s", known.tariff.hex())
        self._say(known.tariff, encode_errand(known))

    async def _answer(self, asked: BillAsked) -> None:
        if asked in self._answers:
            return
        answer = await self._handlers.thread.do(self._handlers.billing.answer, asked)
        if answer is None:
            self.counters.dropped += 1
            return
        where = f"meter={asked.meter.hex()} begin={asked.begin} end={asked.end}"
        match answer:
            case ProvedBill():
                self.counters.billed += 1
                _log.info("bill_signed %s", where)
            case BillRefused(why=why):
                refused = self.counters.refused
                refused[why.text] = refused.get(why.text, 0) + 1
                _log.warning("bill_refused %s why=%s", where, why.text)
        self._say(asked, encode_errand(answer))

    def _ask_netting(self, asked: Netting) -> None:
        """Have an asking answered in its time, unless its answer waits to be said."""
        if asked.digest() not in self._answers:
            self._handlers.proving.ask(asked, self._netted)

    def _netted(self, asked: bytes, proved: ProvedNetting) -> None:
        self.counters.netted += 1
        self._say(asked, encode_errand(proved))

    def _say(self, name: BillAsked | bytes, payload: bytes) -> None:
        if len(self._answers) >= MAX_ANSWERS:
            self.counters.dropped += 1
            return
        self._answers[name] = _Sending(payload)
        self._wake()

    def _said(self, name: BillAsked | bytes) -> Callable[[], Awaitable[None]]:
        async def taken() -> None:
            self._answers.pop(name, None)

        return taken

    async def _deposited(self) -> None:
        self.counters.deposits += 1
