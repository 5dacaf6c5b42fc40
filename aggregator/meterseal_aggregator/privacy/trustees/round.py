"""One round of asking: who is silent stays so for the round, what is said is kept at once.

    asking = Round(office, now)
    said = await asking.ask(number, Question(...))     # None: silent, or no time left
    await asking.keep([said])

A trustee that does not answer is asked once a round, so that one that is down costs the
others a few seconds. This module must never lose an answer: whoever asks keeps it before
anything follows from it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from meterseal_aggregator.privacy.trustees import store
from meterseal_aggregator.privacy.trustees.client import Ask, Declined, Json
from meterseal_aggregator.privacy.trustees.model import PinnedTrustees, Said
from meterseal_aggregator.privacy.trustees.spelling import Answer
from meterseal_aggregator.storage.database import Database
from meterseal_aggregator.translog.store import Rotten
from meterseal_proto.enrolment import Genesis
from meterseal_proto.errors import Unavailable
from meterseal_proto.reporting import Act
from meterseal_proto.seedbox import TrusteeKey

ASK_AGAIN_S: Final = 300
"""A refusal is asked about again after this time: somebody may have mended its cause."""
BAD_ANSWER: Final = "bad-answer"
"""Our word for an answer that is not signed as it must be; a trustee's own are its rules'."""
WAITS: Final = "waits-for-a-person"
"""Our word for a roster that a person of the trustee's has not countersigned yet."""


@dataclass(frozen=True, slots=True)
class Office:
    """What the duty works with: the trustees' keys, and the line to each, in their order.

    `enough` tells that a round has had its time; nothing more is asked in it.
    """

    database: Database
    genesis: Genesis
    trustees: PinnedTrustees
    asks: Sequence[Ask]
    enough: Callable[[], bool] = lambda: False


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked: `body` to `path`, about an act of a subject; `read` checks the answer."""

    act: Act
    subject: int
    path: str
    body: Json
    read: Callable[[TrusteeKey, Json], Answer | None]


@dataclass(slots=True)
class Round:
    """A round at Unix second `now`; `silent` tells who did not answer, and what came; `heard`
    who did, `rotten` what was first found to be not as it was sealed."""

    office: Office
    now: int
    silent: dict[int, str] = field(default_factory=dict)
    heard: set[int] = field(default_factory=set)
    rotten: Rotten | None = None

    @contextmanager
    def sparing_others(self) -> Iterator[None]:
        """Keep rot in one place from stopping the round; whoever ends it must raise it."""
        try:
            yield
        except Rotten as error:
            self.rotten = self.rotten or error

    async def ask(self, number: int, question: Question) -> Said | None:
        """Ask trustee `number`; None when it is silent or the round has had its time."""
        if number in self.silent or self.office.enough():
            return None
        key = self.office.trustees.keys[number]
        try:
            found = await self.office.asks[number](question.path, question.body)
            self.heard.add(number)
            answer = question.read(key, found)
        except Declined as error:
            self.heard.add(number)
            return self._refusal(number, question, error.why, error.detail)
        except Unavailable as error:
            self.silent[number] = str(error) or type(error).__name__
            return None
        except ValueError as error:
            return self._refusal(number, question, BAD_ANSWER, str(error))
        if answer is None:
            detail = "a person of the trustee's has not countersigned it yet"
            return self._refusal(number, question, WAITS, detail)
        signature, content = answer
        act, subject = question.act, question.subject
        return Said(act, subject, number, self.now, signature, content)

    async def ask_all(
        self, numbers: Iterable[int], question: Callable[[int], Question]
    ) -> list[Said]:
        """Ask several trustees at once, and keep what they said; returns it."""
        asking: list[Awaitable[Said | None]] = [
            self.ask(number, question(number)) for number in numbers
        ]
        said = [one for one in await asyncio.gather(*asking) if one is not None]
        await self.keep(said)
        return said

    async def keep(self, said: Sequence[Said]) -> None:
        """Keep what was said, durably."""
        if said:
            async with self.office.database.transaction() as tx:
                await store.say(tx, said)

    def open(self, said: Said | None) -> bool:
        """Tell whether a trustee may be asked (again): it never was, or long ago said no."""
        if said is None:
            return True
        return said.signature is None and said.at <= self.now - ASK_AGAIN_S

    def _refusal(self, number: int, question: Question, why: str, detail: str) -> Said:
        act, subject = question.act, question.subject
        return Said(act, subject, number, self.now, None, b"", why, detail or why)
