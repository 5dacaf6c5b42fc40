"""A register's readings, and what became of them as credits, slot by slot.

A member never sees a slot from before he moved in or after he left (SETTLED 4).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query

from meterseal_aggregator.credits.store import Decided, decided
from meterseal_aggregator.identity.model import Action
from meterseal_aggregator.intake.store import Reading, readings, seal_hashes
from meterseal_aggregator.registry import store as registry
from meterseal_aggregator.registry.model import Span
from meterseal_aggregator.storage.database import Transaction
from meterseal_aggregator.vee.leak import LEAK_S, running_since, suspected
from meterseal_aggregator.web.auth import Access, Asking
from meterseal_aggregator.web.problems import not_found
from meterseal_aggregator.web.shapes import (
    MAX_SECOND,
    Limit,
    MeterHex,
    Obis,
    Page,
    View,
    parse_register,
)
from meterseal_proto.intervals import Interval
from meterseal_proto.units import WATER

router = APIRouter(prefix="/v1/meters/{meter}/registers/{register}", tags=["meters"])

OLDEST_S: Final = 400 * 86_400
"""Without a from, a list begins at most this long ago: as far as corrections reach."""

From = Annotated[int | None, Query(alias="from", ge=0, le=MAX_SECOND)]
To = Annotated[int | None, Query(ge=0, le=MAX_SECOND)]


class ReadingView(View):
    """One accepted interval: `delta` Wh (or litres) from `start` for `length` seconds.

    `value` is the register at its end, `quality` the device's code (ESPI), `seal` the
    number by which its seal's bundle is asked for, `seal_hash` its header hash.
    """

    start: int
    length: int
    revision: int
    delta: int
    value: int
    quality: int
    seal: int
    seal_hash: str


class CreditView(View):
    """What was decided of one interval: `wh` were credited, or `cause` says why not.

    A slot that is not final yet, or that exported nothing, has none.
    """

    start: int
    length: int
    revision: int
    wh: int
    cause: str | None
    decided_at: int


class LeakView(View):
    """Whether a leak is suspected: water that has run in every hour since `running_since`."""

    suspected: bool
    running_since: int | None


@dataclass(frozen=True, slots=True)
class Asked:
    """A register, and the time that is asked about."""

    meter: MeterHex
    register: Obis
    begin: From = None
    to: To = None
    limit: Limit = 500


@dataclass(frozen=True, slots=True)
class Window:
    """One page of a register's time, and what of it is the caller's to see.

    `first` and `end` bound what is asked for; `step` is the register's interval in s.
    """

    register_id: int
    step: int
    spans: Sequence[Span]
    first: int
    end: int
    page: Interval

    def shows(self, start: int, length: int) -> bool:
        """Whether all of an interval lies in what is asked for and the caller's."""
        return self.first <= start < self.end and any(
            span.holds(start, start + length) for span in self.spans
        )

    @property
    def next(self) -> str | None:
        """Where the next page begins, None at the end."""
        return str(self.page.end) if self.page.end < self.end else None


Wish = Annotated[Asked, Depends()]


@router.get("/readings")
async def list_readings(wish: Wish, access: Asking) -> Page[ReadingView]:
    """List a register's readings by start, from `from` to `to`.

    Go on with from = `next`; a page may hold fewer readings than its time has slots.
    """
    async with access.site.database.reading() as tx:
        window = await _window(tx, access, wish)
        found = await readings(tx, window.register_id, window.page, window.step)
        seen = [row for row in found if window.shows(row.start, row.length)]
        hashes = await seal_hashes(tx, sorted({row.seal_id for row in seen}))
    items = [_reading(row, hashes[row.seal_id]) for row in seen]
    return Page(items=items, next=window.next)


@router.get("/credits")
async def list_credits(wish: Wish, access: Asking) -> Page[CreditView]:
    """List what was credited of a register's intervals, and what was not and why.

    Go on with from = `next`, as with readings.
    """
    async with access.site.database.reading() as tx:
        window = await _window(tx, access, wish)
        found = await decided(tx, window.register_id, window.page)
    items = [_credit(row) for row in found if window.shows(row.start, row.length)]
    return Page(items=items, next=window.next)


@router.get("/leak")
async def hint_leak(meter: MeterHex, register: Obis, access: Asking) -> LeakView:
    """Say whether a water register has run in every hour of the last week or longer."""
    now = int(access.site.now())
    async with access.site.database.reading() as tx:
        last_days = Asked(meter, register, begin=max(0, now - LEAK_S - 86_400))
        window = await _window(tx, access, last_days)
        if parse_register(register) != WATER:
            raise not_found("leak hint: only water registers have one")
        page = Interval(window.page.start, window.end - window.page.start)
        found = await readings(tx, window.register_id, page, window.step)
    seen = [
        row for row in found if not row.revision and window.shows(row.start, row.length)
    ]
    since = running_since(seen)
    told_to = seen[-1].start + seen[-1].length if seen else now
    return LeakView(suspected=suspected(since, told_to), running_since=since)


async def _window(tx: Transaction, access: Access, wish: Asked) -> Window:
    """Return what of a wish the caller may see; raises the answers 403 and 404."""
    meter, code = bytes.fromhex(wish.meter), parse_register(wish.register)
    now = int(access.site.now())
    spans = await access.spans(tx, meter, Action.SEE_READINGS)
    mine = [span for span in spans if span.register == code]
    known = await registry.registers(tx, meter)
    step = next((row.step for row in known if row.register == code), None)
    if not mine or step is None:
        raise not_found("register")
    oldest = now - OLDEST_S if wish.begin is None else wish.begin
    first = max(oldest, mine[0].from_at)
    last = max(now if span.to_at is None else span.to_at for span in mine)
    end = min(last, now if wish.to is None else wish.to)
    page = Interval(first - first % step, wish.limit * step)
    return Window(mine[0].register_id, step, mine, first, end, page)


def _reading(row: Reading, digest: bytes) -> ReadingView:
    return ReadingView(
        start=row.start,
        length=row.length,
        revision=row.revision,
        delta=row.delta,
        value=row.value,
        quality=row.quality,
        seal=row.seal_id,
        seal_hash=digest.hex(),
    )


def _credit(row: Decided) -> CreditView:
    return CreditView(
        start=row.start,
        length=row.length,
        revision=row.revision,
        wh=row.wh,
        cause=row.cause,
        decided_at=row.decided_at,
    )
