"""The duty that proves what may be netted: asked about, decided on, proved day by day.

The proofs are made by `seal.prover` at the lowest priority, one after another, beside
those of days: a month's takes minutes on a Pi, and no seal waits for it. What is asked
waits here, in memory alone: who misses the answer asks again, and gets the same slots.
This module must never prove in the daemon itself, nor say of a netting more than that it
was answered.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from meterseal_agent.run.committing import AGAIN_CAP_S, AGAIN_S, prove_apart
from meterseal_agent.run.file_thread import FileThread
from meterseal_agent.seal.committer import Job
from meterseal_agent.seal.netting import Nettings
from meterseal_proto.errors import Unavailable
from meterseal_proto.netting import Netting, ProvedNetting

MAX_WAITING: Final = 8
"""What is asked at once: a register and month is one, and more are asked again."""
MAX_TRIES: Final = 8
"""Tries of a day's proof, an hour and a half in all: then who asks again may find a
machine that has memory."""

_log = logging.getLogger("meterseal.netting")

Say = Callable[[bytes, ProvedNetting], None]
"""Takes an answer, and the digest of what was asked."""


@dataclass(slots=True)
class ProvingCounters:
    """What happened since the start."""

    answered: int = 0
    dropped: int = 0
    """Askings there was no room for, that are another house's, or that could not be
    answered yet."""
    failures: int = 0
    """Proofs that another process did not give."""


class Proving:
    """The duty; what is asked is proved in the order it came."""

    def __init__(self, nettings: Nettings, thread: FileThread) -> None:
        self._nettings = nettings
        self._thread = thread
        self._waiting: dict[bytes, tuple[Netting, Say]] = {}
        self._awake = asyncio.Event()
        self.counters = ProvingCounters()

    def ask(self, asked: Netting, say: Say) -> None:
        """Take an asking whose answer goes to `say`; one that waits already waits on."""
        digest = asked.digest()
        if digest in self._waiting:
            return
        if len(self._waiting) >= MAX_WAITING:
            self.counters.dropped += 1
            return
        self._waiting[digest] = asked, say
        self._awake.set()

    async def run(self) -> None:
        """Answer what is asked, for ever."""
        while True:
            while self._waiting:
                await self._next()
            self._awake.clear()
            await self._awake.wait()

    async def _next(self) -> None:
        digest, (asked, say) = next(iter(self._waiting.items()))
        try:
            proved = await self._proved(asked)
        finally:
            # Whatever went wrong, the next one has its turn: this one is asked again.
            del self._waiting[digest]
        if proved is None:
            self.counters.dropped += 1
            return
        self.counters.answered += 1
        where = f"meter={asked.meter.hex()} begin={asked.begin} end={asked.end}"
        _log.info("netting_answered %s", where)
        say(digest, proved)

    async def _proved(self, asked: Netting) -> ProvedNetting | None:
        nettings = self._nettings
        netting = await self._thread.do(nettings.decide, asked)
        if netting is None:
            return None
        proofs = []
        for day in netting.days:
            job = await self._thread.do(nettings.job, netting, day)
            proof = None if job is None else await self._patiently(job)
            if proof is None:
                return None
            proofs.append(proof)
        return nettings.sign(netting, proofs)

    async def _patiently(self, job: Job) -> bytes | None:
        """Return a proof, or None where even the last try gave none."""
        wait = AGAIN_S
        for _ in range(MAX_TRIES):
            try:
                return await prove_apart(job)
            except Unavailable as trouble:
                self.counters.failures += 1
                why = str(trouble)
                _log.warning("netting_not_proved why=%r again_in_s=%d", why, wait)
            await asyncio.sleep(wait)
            wait = min(AGAIN_CAP_S, 2 * wait)
        return None
