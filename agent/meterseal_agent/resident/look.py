"""Reading the outbox for the page: in its own thread, a bounded piece at a time.

Between two pieces the thread takes whatever the seals want of it. It must never write.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final, ParamSpec, Protocol, TypeVar

from meterseal_agent.outbox.model import Chain, KeptDay
from meterseal_agent.outbox.netted import Told
from meterseal_agent.outbox.shown import Telling
from meterseal_agent.outbox.store import Outbox
from meterseal_agent.record import Record
from meterseal_proto.bill import ProvedBill
from meterseal_proto.keys import RootSecret
from meterseal_proto.tariff import LocalTime, Tariff, parse_tariff
from meterseal_proto.units import MeterId, RegisterId

PIECE_S: Final = 31 * 86_400
"""Days in one reading: some 3 ms of the thread on a small machine."""

_P = ParamSpec("_P")
_T = TypeVar("_T")


class Thread(Protocol):
    """A thread that runs calls one after another."""

    def do(
        self, call: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs
    ) -> Awaitable[_T]:
        """Run `call` in the thread and return what it returns."""
        ...


@dataclass(frozen=True, slots=True)
class Home:
    """Whose page it is: the network's id, its meters' serials, which registers are private.

    `clock` returns a zone's clock, `zone` is the network's; `now` is UTC Unix seconds.
    """

    network: bytes
    serials: dict[MeterId, str]
    private: frozenset[tuple[MeterId, RegisterId]]
    zone: str
    clock: Callable[[str], LocalTime]
    now: Callable[[], float]
    root: RootSecret = field(repr=False)

    @property
    def local(self) -> LocalTime:
        """The clock of the network's zone."""
        return self.clock(self.zone)

    def is_private(self, chain: Chain) -> bool:
        """Tell whether a register's usage is hidden."""
        return (chain.meter, chain.register) in self.private


class Look:
    """The outbox as the page may see it."""

    def __init__(self, outbox: Outbox, thread: Thread) -> None:
        self._outbox = outbox
        self._thread = thread

    async def chains(self) -> list[Chain]:
        """Return every register."""
        return await self._thread.do(self._outbox.chains)

    async def told(self, chain: Chain, begin: int, end: int) -> list[Telling]:
        """Return the tellings of days that begin in [`begin`, `end`), oldest first."""
        kept = await self._thread.do(self._outbox.kept_days, chain)
        found: list[Telling] = []
        if kept is None:
            return found
        begin, end = max(begin, kept[0]), min(end, kept[1] + 1)
        for at in range(begin, end, PIECE_S):
            upto = min(end, at + PIECE_S)
            found += await self._thread.do(self._outbox.told, chain, at, upto)
        return found

    async def netted(self, chain: Chain, begin: int, end: int) -> dict[int, Told]:
        """Return what was told for netting of days that begin in [`begin`, `end`)."""
        return await self._thread.do(self._outbox.netted, chain, begin, end)

    async def records(self, chain: Chain, since: int) -> list[Record]:
        """Return the newest records that end after `since`."""
        return await self._thread.do(self._outbox.records, chain, since)

    async def bills(self, chain: Chain) -> list[tuple[ProvedBill, Tariff]]:
        """Return every bill that was signed over a register, oldest first."""
        bills = await self._thread.do(self._outbox.openings, chain)
        found = []
        for bill in bills:
            kept = await self._thread.do(self._outbox.tariff, bill.statement.tariff)
            assert kept is not None, "the schema keeps a bill's tariff"
            found.append((bill, parse_tariff(kept[0])))
        return found

    async def billed_days(self, chain: Chain, bill: ProvedBill) -> list[KeptDay]:
        """Return the days of a bill that are kept, in order of time."""
        said = bill.statement
        told = await self.told(chain, said.begin, said.end)
        return [day for day, _ in told if day.hash in said.headers]

    async def masked(self) -> frozenset[MeterId]:
        """Return the meters whose days enter a community's total."""
        deposits = await self._thread.do(self._outbox.deposits)
        return frozenset(meter for meter, (_, kept) in deposits.items() if kept)

    async def revision(self, day: KeptDay) -> int:
        """Return which telling of its slots a day is."""
        return await self._thread.do(self._outbox.revision, day)
