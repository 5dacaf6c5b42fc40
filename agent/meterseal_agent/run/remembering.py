"""The duty that asks the log what this disk may have forgotten, so that bills go on.

After a long power cut, or on a device that took over, bills wait until every earlier one
was found in the log. The log is read in a thread that nobody waits for at the end; what
it proved is kept in the outbox's own. A log that cannot be believed is looked at again,
ever more seldom. This module must never put anything into the outbox that was not proved.
"""

import asyncio
import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Final, TypeVar

from meterseal_agent.commissioning.post import EnrolmentRefused
from meterseal_agent.outbox.memory import Memory
from meterseal_agent.outbox.model import Chain
from meterseal_agent.outbox.restoring import Forked, Past, Restoring
from meterseal_agent.run.enrolment import Enrolment
from meterseal_agent.run.file_thread import FileThread
from meterseal_agent.run.restoring import Source, remember
from meterseal_agent.seal.logbook import NotProved
from meterseal_proto.errors import Malformed, Unavailable

LOOK_S: Final = 60.0
"""Between two looks whether anything is in doubt; real seconds."""
AGAIN_CAP_S: Final = 86_400.0
"""The longest pause after a log that could not be believed: a whole log is much to read."""

_log = logging.getLogger("meterseal.memory")
_T = TypeVar("_T")


class Remembering:
    """The duty; `source` is asked, and `trouble` says why the last look did not help."""

    def __init__(
        self, box: Restoring, thread: FileThread, enrolment: Enrolment, source: Source
    ) -> None:
        self._box = box
        self._thread = thread
        self._enrolment = enrolment
        self._source = source
        self.trouble = ""

    async def run(self) -> None:
        """Look for what is in doubt, for ever."""
        wait = LOOK_S
        while True:
            await asyncio.sleep(wait)
            try:
                await self.look()
            except (
                *(NotProved, Forked, Malformed),
                *(EnrolmentRefused, Unavailable),
            ) as error:
                self.trouble = str(error)
                wait = min(AGAIN_CAP_S, 2 * wait)
                _log.warning("openings_in_doubt why=%r again_in_s=%d", str(error), wait)
            else:
                self.trouble, wait = "", LOOK_S

    async def look(self) -> int:
        """Ask the log about every chain in doubt; returns how many are known for sure now."""
        committed = self._enrolment.committed
        doubts = await self._thread.do(self._box.doubts, committed)
        if not doubts:
            return 0
        found, at = await _apart(lambda: self._asked(doubts))
        for chain, past in found:
            await self._thread.do(self._box.bring_back, chain, past, at=at)
            _log.info("openings_known bills=%d", len(past.openings or ()))
        return len(found)

    def _asked(
        self, doubts: list[tuple[Chain, Memory]]
    ) -> tuple[list[tuple[Chain, Past]], int]:
        return remember(self._enrolment, self._source, doubts)


async def _apart(call: Callable[[], _T]) -> _T:
    """Run `call` in a thread of its own, which ends with the program, done or not."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[_T] = loop.create_future()

    def settle(act: Callable[[], None]) -> None:
        # A loop that has ended wants no answer any more.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(lambda: None if answer.done() else act())

    def work() -> None:
        try:
            found = call()
        except Exception as error:  # whoever waits decides about it
            settle(lambda error=error: answer.set_exception(error))  # type: ignore[misc] # bound now
        else:
            settle(lambda: answer.set_result(found))

    threading.Thread(target=work, name="meterseal-log", daemon=True).start()
    return await answer
