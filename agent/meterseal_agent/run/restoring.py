"""Bring a committed register's past back: from the aggregator, and only what the log proves.

The dead device's days come as ciphertext that this one opens, its bills as they were
signed; the log says which there must be. It runs where no agent does, says a line a
register, and may be given again. It must never take a day or a bill that is not as it was
logged, nor open what it could not check.
"""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from meterseal_agent.commissioning.post import EnrolmentRefused, getter, poster
from meterseal_agent.config import Config
from meterseal_agent.outbox.database import OUTBOX
from meterseal_agent.outbox.memory import Memory
from meterseal_agent.outbox.model import Chain, Start
from meterseal_agent.outbox.restoring import Forked, Past, Restoring
from meterseal_agent.run.enrolment import Enrolment
from meterseal_agent.run.times import Times
from meterseal_agent.sampler import State
from meterseal_agent.seal import history
from meterseal_agent.seal.history import Brought, moment
from meterseal_agent.seal.logbook import Logbook, NotProved, Pages, read_log
from meterseal_agent.seal.opening import PinnedLog
from meterseal_proto import backup
from meterseal_proto.bill import ProvedBill
from meterseal_proto.enrolment import RegisterHead
from meterseal_proto.errors import Malformed, Unavailable
from meterseal_proto.history import (
    BILLS_A_PAGE,
    DAYS_A_PAGE,
    PATH,
    HistoryDay,
    HistoryPage,
    HistoryRequest,
    only,
)
from meterseal_proto.logtiles import MAX_BUNDLE_BYTES
from meterseal_proto.units import obis_text

NO_WITNESS: Final = (
    'no witness is pinned: give witness = "NAME+ID+KEY" in the configuration, as the'
    " network's witness told you"
)
AGAIN: Final = "meterseal-agent restore-history"
AGAIN_S: Final = 5
"""Between two looks at a log that does not tell of this device yet, real seconds."""
OLD_DISK: Final = (
    "the log has days of this meter that this disk does not know, so it is an old copy: take"
    " an empty data_dir and a replacement code, and give meterseal-agent replace"
)
TOO_MANY: Final = "too-many-requests"
PAUSE_S: Final = 1.0
MAX_PAUSES: Final = 300
"""An aggregator paces whoever asks often; five minutes of that are an outage."""

Say = Callable[[str], None]
Post = Callable[[str, bytes], bytes]


@dataclass(frozen=True, slots=True)
class Source:
    """The aggregator: how it is asked, who stands under its log, and what time it is."""

    post: Post
    get: Callable[[str], bytes]
    pinned: PinnedLog
    times: Times

    @property
    def now(self) -> int:
        """The network's time, UTC Unix seconds."""
        return int(self.times.now())


def restore(
    folder: Path, enrolment: Enrolment, source: Source, say: Say, *, fresh: bool
) -> bool:
    """Restore every committed register's past into the outbox in `folder`.

    Tells whether all of it came back. Raises Unavailable, EnrolmentRefused, Malformed, and
    NotProved where the log itself cannot be believed, or is not young enough while `fresh`
    asks for that; else only openings wait for a younger one.
    """
    box = Restoring(
        folder / OUTBOX, registers=len(enrolment.chains), network=enrolment.network
    )
    try:
        box.enrol(enrolment.chains)
        registers = _registers(enrolment, box)
        book = read_log(source.get, source.pinned, enrolment.committed.keys())
        if fresh:
            for one in registers:
                one.seen(box.remembered(one.chain), book)
        say(f"the log's {book.size} entries are those that were witnessed")
        found = [one.restore(box, book, source, say) for one in registers]
        return all(found)
    finally:
        box.close()


def _registers(enrolment: Enrolment, box: Restoring) -> list["_Register"]:
    chains = {(one.meter, one.register): one for one in box.chains()}
    return [
        _Register(enrolment, serial, start, chains[start.meter, start.register])
        for serial, starts in enrolment.starts.items()
        for start in starts
        if start.bits
    ]


def bring_back(config: Config, times: Times, patience_s: int, say: Say) -> bool:
    """Restore as soon as the log tells of this device, a minute after it was enrolled.

    Tells whether all came back. Raises what `Enrolment.load` raises.
    """
    enrolment = Enrolment.load(config)
    if not enrolment.committed:
        say("no register is committed: there is no history that only its device knows")
        return True
    left, said = patience_s, ""
    while True:
        try:
            source = source_of(config, enrolment, times)
            folder = config.data_dir
            return restore(folder, enrolment, source, say, fresh=left > 0)
        except (NotProved, Malformed, EnrolmentRefused, Unavailable) as error:
            if left <= 0 or str(error) == NO_WITNESS:
                say(f"nothing is restored: {error}; then give {AGAIN}, before run")
                return False
            if str(error) != said:
                said = str(error)
                say(f"{said}; waiting")
        left -= AGAIN_S
        time.sleep(AGAIN_S)


def source_of(config: Config, enrolment: Enrolment, times: Times) -> Source:
    """Return the aggregator that is configured; NotProved without a pinned witness."""
    if not config.witness:
        raise NotProved(NO_WITNESS)
    url, ca = config.aggregator_url, config.aggregator_ca
    pinned = PinnedLog(enrolment.answer.log_key, config.witness)
    return Source(poster(url, ca), getter(url, ca, MAX_BUNDLE_BYTES), pinned, times)


def remember(
    enrolment: Enrolment, source: Source, doubts: Sequence[tuple[Chain, Memory]]
) -> tuple[list[tuple[Chain, Past]], int]:
    """Return all that was opened of chains in doubt up to a moment; it touches no disk.

    Raises NotProved where one chain cannot be believed, and what asking raises.
    """
    starts = {(one.meter, one.register): one for one in enrolment.chains}
    places = [(chain.meter, chain.register) for chain, _ in doubts]
    book = read_log(source.get, source.pinned, places)
    found = []
    for place, (chain, known) in zip(places, doubts, strict=True):
        one = _Register(enrolment, "", starts[place], chain)
        pages = book.registers[place]
        _, bills = one.given(source, pages)
        openings = one.openings(known, book, bills)
        tariffs = one.tariffs(openings, book, source)
        found.append((chain, Past((), openings, history.first_link(pages), tariffs)))
    return found, _checked(book, source)


@dataclass(frozen=True, slots=True)
class _Register:
    """One committed register of this agent."""

    enrolment: Enrolment
    serial: str
    start: Start
    chain: Chain

    @property
    def name(self) -> str:
        return f"{self.serial} {obis_text(self.start.register)}"

    def restore(self, box: Restoring, book: Logbook, source: Source, say: Say) -> bool:
        """Restore one register and say what came back; tell whether all did."""
        pages = book.registers[self.start.meter, self.start.register]
        if self._is_old(pages):
            say(f"{self.name}: nothing is restored: {OLD_DISK}")
            return False
        days, bills = self.given(source, pages)
        answer = self.enrolment.answer
        brought = history.proved_days(
            self.enrolment.keys.root, pages, days, (self.chain.id, answer.chain_id)
        )
        openings, why = None, ""
        try:
            openings = self.openings(box.remembered(self.chain), book, bills)
        except NotProved as error:
            why = str(error)
        tariffs = self.tariffs(openings or (), book, source)
        past = Past(brought.days, openings, history.first_link(pages), tariffs)
        try:
            added = box.bring_back(self.chain, past, at=_checked(book, source))
        except Forked as error:
            say(f"{self.name}: nothing is restored: {error}")
            return False
        say(f"{self.name}: {added} days restored")
        for first, reason in sorted(brought.lost.items()):
            say(f"{self.name}: the day from {moment(first)} is not: {reason}")
        if openings is None:
            say(f"{self.name}: bills of earlier periods stay closed: {why}")
        else:
            say(f"{self.name}: {len(openings)} bills were signed before, all are known")
        self._go_on(box, brought, say)
        return not brought.lost and openings is not None

    def given(
        self, source: Source, pages: Pages
    ) -> tuple[dict[int, HistoryDay], list[ProvedBill]]:
        """Return what the aggregator has of the register; Malformed for nonsense.

        Of what the log does not tell yet it may give a page, and no more.
        """
        days: list[HistoryDay] = []
        bills: list[ProvedBill] = []
        after: int | None = 0
        while after is not None:
            page = HistoryPage.from_json(self._ask(source, after))
            if page.after is not None and page.after <= after:
                raise NotProved("the aggregator's pages do not go on")
            days += page.days
            bills += page.bills
            if (
                len(days) > len(pages.seals) + DAYS_A_PAGE
                or len(bills) > len(pages.openings) + BILLS_A_PAGE
            ):
                raise NotProved("the aggregator gives days or bills without end")
            after = page.after
        return only(days), bills

    def _is_old(self, pages: Pages) -> bool:
        """Tell whether the log has seals of this chain that this disk never reserved."""
        return any(header.seq > self.chain.reserved for header in pages.seals)

    def _ask(self, source: Source, after: int) -> bytes:
        place = self.start.meter, self.start.register
        key, network = self.enrolment.keys.seal_key, self.enrolment.network
        for _ in range(MAX_PAUSES):
            wish = HistoryRequest.sign(
                key, network, place, after=after, at=int(source.times.real())
            )
            try:
                return source.post(PATH, json.dumps(wish.to_json()).encode())
            except EnrolmentRefused as refused:
                if refused.trouble != TOO_MANY:
                    raise
                time.sleep(PAUSE_S)
        raise NotProved("the aggregator keeps saying that it is asked too often")

    def seen(self, known: Memory, book: Logbook) -> int:
        """Return when the witness saw the log; NotProved unless it is young enough."""
        pages = book.registers[self.start.meter, self.start.register]
        if self._is_old(pages):
            raise NotProved(OLD_DISK)
        public = self.enrolment.keys.seal_key.public
        return history.check_fresh(book, pages, public, known)

    def openings(
        self, known: Memory, book: Logbook, bills: list[ProvedBill]
    ) -> list[ProvedBill]:
        """Return the chain of openings; NotProved where it cannot be believed."""
        self.seen(known, book)
        pages = book.registers[self.start.meter, self.start.register]
        chain = history.proved_openings(pages, bills)
        if any(one.statement.tariff not in book.tariffs for one in chain):
            raise NotProved("the log has a bill by a tariff that is not in it")
        return chain

    def tariffs(
        self, openings: Sequence[ProvedBill], book: Logbook, source: Source
    ) -> dict[bytes, tuple[bytes, int]]:
        """Return the openings' tariffs by hash: the document, and since when it was known."""
        at = max(source.now, book.witnessed_at or 0)
        own = self.enrolment.keys.publics
        return {
            digest: (book.tariffs[digest].document(), since)
            for digest, since in history.known_since(openings, own, at=at).items()
        }

    def _go_on(self, box: Restoring, brought: Brought, say: Say) -> None:
        """Let the sampler count on from what the meter showed when its device died."""
        running = (self.start.meter, self.start.register) in box.states()
        if running or not self.start.head.seq:
            return
        end = self.chain.head.end
        shown = self._shown(brought, end)
        if shown is None:
            say(
                f"{self.name}: what it showed at {moment(end)} is not known: what flowed"
                " until this device was enrolled is told as missing"
            )
        elif box.go_on(self.chain, State.begin(end, shown).to_json()):
            say(f"{self.name}: goes on from {moment(end)}, nothing is lost in between")

    def _shown(self, brought: Brought, end: int) -> int | None:
        """Return the register at `end`: what it showed once, and all that was told since."""
        store_key = self.enrolment.keys.root.store_key
        for at, sealed in self._head().starts:
            if at > end:
                continue
            place = backup.Start(self.serial, self.start.register, at)
            try:
                value = backup.bring_back_start(store_key, place, bytes.fromhex(sealed))
            except (Malformed, ValueError):
                # Another device's, whose secret nobody brought.
                continue
            used = history.sum_since(brought.days, at, end)
            return None if used is None else value + used
        return None

    def _head(self) -> RegisterHead:
        named = self.start.meter.hex(), obis_text(self.start.register)
        return next(
            head
            for head in self.enrolment.answer.heads
            if (head.meter, head.register) == named
        )


def _checked(book: Logbook, source: Source) -> int:
    """Return up to when the log that was read tells of everything."""
    return min(source.now, book.witnessed_at or 0)
