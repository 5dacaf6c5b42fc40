"""A dead device's days and openings, held against the log before they are believed.

    chain = proved_openings(pages, bills)           # NotProved: hidden, forked, foreign
    days = proved_days(root, pages, given, chain_id)

A day comes back when its commitments are those of the header that was logged and its
backup opens every one of them; each that does not is named, and nothing stands in for it.
Openings come back all or not at all: one that is missing could be what makes the next one
tell too much. Pure. This module must never let a bill in that the log has not, nor leave
one out that it has.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from meterseal_agent.outbox.memory import Memory
from meterseal_agent.outbox.model import KeptDay
from meterseal_agent.seal.day import Day, leaves_at
from meterseal_agent.seal.logbook import Logbook, NotProved, Pages
from meterseal_agent.seal.restore import restored
from meterseal_proto.bill import ProvedBill
from meterseal_proto.committed import CommittedRecord, committed_root
from meterseal_proto.enrolment import RegisterStart, enrolment_hash
from meterseal_proto.entry import KeyEvent, Opening
from meterseal_proto.errors import Malformed
from meterseal_proto.history import HistoryDay
from meterseal_proto.keys import PublicKey, RootSecret
from meterseal_proto.seal import Header

FIRST_SEQ: Final = 1
FAILED: Final = "failed"
"""`HistoryDay.state` of a day whose proof did not hold."""


@dataclass(frozen=True, slots=True)
class Brought:
    """Tellings of days that came back, in the order of their seals, and what did not.

    `days` has each with whether its proof had failed; `lost` has why a day is not among
    them, by the day's first second.
    """

    days: tuple[tuple[KeptDay, bool], ...] = field(repr=False)
    lost: Mapping[int, str]


def first_link(pages: Pages) -> bytes:
    """Return the hash of the register's enrolment, as the log tells of it."""
    first = [event for event in pages.keys if event.from_seq == FIRST_SEQ]
    if len(first) != 1 or pages.keys[0] != first[0]:
        raise NotProved("the log does not tell of one enrolment of the register")
    return _link(first[0])


def check_fresh(book: Logbook, pages: Pages, key: PublicKey, known: Memory) -> int:
    """Return when the witness saw the log; NotProved unless it is young enough.

    It must tell that `key` speaks for the register: what a device before it opened was
    logged earlier. Where this device's own disk is in doubt (`known`), the witness must
    have seen the log after the disk was back.
    """
    if not any(event.public == key.raw for event in pages.keys):
        raise NotProved(
            "the log is shown as it was before this device was enrolled: try again in a"
            " minute"
        )
    if book.witnessed_at is None:
        raise NotProved("the pinned witness does not say when it saw the log")
    if known.opening is None and book.witnessed_at < known.since:
        raise NotProved(
            "the witness has not seen this log since this device is back: have the"
            " operator look why, if that stays so for a day"
        )
    return book.witnessed_at


def proved_openings(pages: Pages, bills: Sequence[ProvedBill]) -> list[ProvedBill]:
    """Return every opening of a register in the order of its chain; NotProved."""
    given = {bill.hash(): bill for bill in bills}
    chain = []
    for opening in pages.openings:
        bill = given.pop(opening.hash, None)
        if bill is None or Opening.of(bill) != opening:
            raise NotProved(
                f"the log says that {_span(opening.begin, opening.end)} was billed, and"
                " the aggregator does not give that bill"
            )
        chain.append(bill)
    if given:
        said = next(iter(given.values())).statement
        raise NotProved(
            f"the aggregator gives a bill over {_span(said.begin, said.end)} that is not"
            " in the log: try again in a minute"
        )
    _check_chain(chain, first_link(pages), pages.publics())
    return chain


def _check_chain(
    chain: Sequence[ProvedBill], link: bytes, publics: Sequence[PublicKey]
) -> None:
    last = link
    for bill in chain:
        said = bill.statement
        if said.previous != last:
            raise NotProved(
                f"the bill over {_span(said.begin, said.end)} does not follow the one"
                " before it in the log: the chain of openings is forked"
            )
        if not any(key.verify(said.consent(), bill.consent) for key in publics):
            raise NotProved(
                f"no key of the register signed the bill over"
                f" {_span(said.begin, said.end)}"
            )
        last = said.digest()


def proved_days(
    root: RootSecret,
    pages: Pages,
    given: Mapping[int, HistoryDay],
    chain: tuple[int, int],
) -> Brought:
    """Return the days of a register that are as they were logged.

    `given` are the aggregator's by sequence number; `chain` the outbox's number of the
    register's chain, and the network's chain id.
    """
    found: list[tuple[KeptDay, bool]] = []
    lost: dict[int, str] = {}
    number, chain_id = chain
    latest: dict[int, int] = {header.first: header.seq for header in pages.seals}
    for header in pages.seals:
        try:
            day = _proved(root, header, given.get(header.seq))
        except Malformed as error:
            lost[header.first] = error.detail.partition(" (at byte")[0]
            continue
        failed = header.seq != latest[header.first] or (
            given[header.seq].state == FAILED
        )
        kept = KeptDay(
            *(number, header.seq, day.first, day.step),
            leaves_at(header.meter, header.register, day.end),
            *(day.values, day.qualities, day.untold, header.digest(chain_id)),
        )
        found.append((kept, failed))
    return Brought(
        *_without_gaps(found, lost, {d.seq: d.revision for d in given.values()})
    )


def _without_gaps(
    found: Sequence[tuple[KeptDay, bool]],
    lost: Mapping[int, str],
    revisions: Mapping[int, int],
) -> tuple[tuple[tuple[KeptDay, bool], ...], dict[int, str]]:
    """Leave out a day whose earlier tellings are not all there: they count its revision."""
    good, wrong = [], dict(lost)
    tellings: dict[int, int] = {}
    for day, failed in found:
        before = tellings.get(day.first, 0)
        if revisions[day.seq] != before:
            wrong[day.first] = "an earlier telling of it is missing"
            continue
        tellings[day.first] = before + 1
        good.append((day, failed))
    here = {day.first for day, failed in good if not failed}
    return tuple(good), {
        first: why for first, why in wrong.items() if first not in here
    }


def _proved(root: RootSecret, header: Header, day: HistoryDay | None) -> Day:
    if day is None:
        raise Malformed("the aggregator does not give it")
    if not day.backup:
        raise Malformed("its backup was erased")
    records = tuple(
        CommittedRecord(header.first + n * header.step, point, quality, day.revision)
        for n, (point, quality) in enumerate(
            zip(day.commitments, day.qualities, strict=True)
        )
    )
    if len(records) != header.count or committed_root(records) != header.root:
        raise Malformed("its commitments are not those that were logged")
    return restored(root, header, records, day.backup)


def sum_since(days: Sequence[tuple[KeptDay, bool]], begin: int, end: int) -> int | None:
    """Return what was used in slots of [`begin`, `end`), which good days must fill.

    None where they do not: then nobody knows.
    """
    total, at = 0, begin
    for day in sorted((day for day, failed in days if not failed), key=_first):
        until = day.first + day.step * len(day.values)
        if until <= begin or day.first >= end:
            continue
        if day.first > at:
            return None
        for slot, value in enumerate(day.values):
            if begin <= day.first + slot * day.step < end:
                total += value or 0
        at = until
    return total if at >= end else None


def known_since(
    chain: Sequence[ProvedBill], own: Sequence[PublicKey], *, at: int
) -> dict[bytes, int]:
    """Return since when the dead device knew tariffs: it signed no period it had not known
    its tariff before.

    That holds for bills under `own` keys, those of this root secret. The log can be given
    any key and a bill under it: the tariff of such a one is known since `at`, when the log
    was read.
    """
    found: dict[bytes, int] = {}
    for bill in chain:
        said = bill.statement
        ours = any(key.verify(said.consent(), bill.consent) for key in own)
        since = said.begin if ours else at
        found[said.tariff] = min(since, found.get(said.tariff, since))
    return found


def _first(day: KeptDay) -> int:
    return day.first


def _link(event: KeyEvent) -> bytes:
    start = RegisterStart(
        *(event.register, event.step, event.initial_value, event.initial_at),
        *(event.mode, event.bits),
    )
    public = PublicKey(
        PublicKey.parse(event.algorithm, event.public).algorithm, event.public
    )
    return enrolment_hash(event.network, event.meter, start, public)


def _span(begin: int, end: int) -> str:
    return f"{moment(begin)} to {moment(end)}"


def moment(at: int) -> str:
    """Return a UTC Unix second as people write it."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")
