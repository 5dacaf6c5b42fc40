"""What the device answers an aggregator that tells a tariff or asks for a bill.

    billing.learn(told, now)       # TariffKnown, once two pinned keys stand under it
    billing.answer(asked)          # the bill, or a signed no with its reason

Asking is free and binds nobody: `opening` decides what is opened, and here only the rule
that comes before it, the shortest period this house is billed for. What is refused is
said with a reason of a closed list, none of which depends on usage. This module must
never put a number of the house into an answer but a bill's amount.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from meterseal_agent.outbox.model import Chain
from meterseal_agent.outbox.store import Outbox
from meterseal_agent.seal.opening import (
    NotOpened,
    NotYet,
    Openings,
    PinnedLog,
    witnessed,
)
from meterseal_proto.bill import ProvedBill
from meterseal_proto.errand import BillAsked, BillRefused, NoBill, TariffKnown
from meterseal_proto.errand_down import TariffTold
from meterseal_proto.keys import SealKey
from meterseal_proto.units import MeterId, RegisterId

DAY_S: Final = 86_400
HOUR_S: Final = 3_600


@dataclass(frozen=True, slots=True)
class Household:
    """Whose bills these are: network id, its committed registers, and the member's rule.

    A period is no shorter than `shortest_days` local days; an hour less, for in spring
    one of them has 23.
    """

    network: bytes
    registers: Collection[tuple[MeterId, RegisterId]]
    shortest_days: int

    def too_short(self, begin: int, end: int) -> bool:
        """Tell whether a period in Unix seconds is shorter than that."""
        return end - begin < self.shortest_days * DAY_S - HOUR_S


class Billing:
    """Answers for one agent; `pinned` None where no witness is, and no tariff is believed."""

    def __init__(
        self, outbox: Outbox, openings: Openings, key: SealKey, house: Household,
        pinned: PinnedLog | None,
    ) -> None:  # fmt: skip
        self._outbox = outbox
        self._openings = openings
        self._key = key
        self._house = house
        self._pinned = pinned
        self._meters = {meter for meter, _ in house.registers}

    def learn(self, told: TariffTold, *, now: int) -> TariffKnown:
        """Keep a tariff known since `now` (UTC Unix seconds); NotOpened unless witnessed.

        A clock that was set back cannot make a tariff older than what was read here
        before: an aggregator that keeps its receipts back gains nothing by it.
        """
        if self._pinned is None:
            raise NotOpened("no witness is pinned in the configuration")
        tariff = witnessed(told, self._pinned)
        ends = [
            max(chain.head.end, self._outbox.read_until(chain))
            for chain in self._outbox.chains()
            if (chain.meter, chain.register) in self._house.registers
        ]
        self._openings.learn(tariff, now=max([now, *ends]))
        return TariffKnown(tariff.hash())

    def answer(self, asked: BillAsked) -> ProvedBill | BillRefused | None:
        """Return the bill that was asked for, or why there is none.

        None for another house's meter, that is not ours to refuse, and before the first
        reading since the start.
        """
        if asked.meter not in self._meters:
            return None
        try:
            return self._bill(asked)
        except NotYet:
            return None
        except NotOpened as error:
            return BillRefused.sign(self._key, self._house.network, asked, error.why)

    def _bill(self, asked: BillAsked) -> ProvedBill:
        house = self._house
        chain = self._chain(asked)
        if house.too_short(asked.begin, asked.end):
            raise NotOpened(
                f"no bill is shorter than {house.shortest_days} days here",
                NoBill.TOO_SHORT,
            )
        return self._openings.bill(chain, asked.begin, asked.end, asked.tariff)

    def _chain(self, asked: BillAsked) -> Chain:
        wanted = asked.meter, asked.register
        if wanted in self._house.registers:
            for chain in self._outbox.chains():
                if (chain.meter, chain.register) == wanted:
                    return chain
        raise NotOpened("no committed register of that name is here", NoBill.REGISTER)
