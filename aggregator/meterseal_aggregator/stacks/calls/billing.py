"""Tariffs, and bills computed from verified openings: calls of `billing`.

Money in micro-units of the tariff's asset, energy in Wh, times in Unix seconds. Nothing
moves. Opening usage on a chain is for ever (SETTLED 26). This module must never open
anything itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from meterseal_aggregator.stacks.calls import arguments
from meterseal_aggregator.stacks.calls.deployment import Call, Deployment
from meterseal_proto.c32 import Principal
from meterseal_proto.chainproof import MAX_TERMS, Opening, Step
from meterseal_proto.chaintariff import Terms, chain_tariff
from meterseal_proto.clarity import Bool, Buffer, List, Tuple, UInt
from meterseal_proto.tariff import Tariff
from meterseal_proto.totalstariff import TotalsTariff

MAX_BILLS: Final = 8
"""As the contract takes them in one transaction."""


@dataclass(frozen=True, slots=True)
class AskedBill:
    """A bill to be computed: `opening` opens the sum of the commitments in `days`.

    `tariff` is the contract's name of it, 32 bytes; `start` and `end` Unix seconds, of the
    first day's start and the last one's end; `amount` at most the tariff of the usage.
    """

    tariff: bytes
    meter: bytes
    register: int
    start: int
    end: int
    days: tuple[Step, ...]
    opening: Opening
    amount: int

    def value(self) -> Tuple:
        """Return it as the contract takes it; ValueError for more days than it adds."""
        if not 1 <= len(self.days) <= MAX_TERMS:
            raise ValueError(f"a bill covers 1 to {MAX_TERMS} days")
        return Tuple(
            {
                "tariff": arguments.digest(self.tariff),
                "meter": arguments.meter_id(self.meter),
                "register": UInt(self.register),
                "from": UInt(self.start),
                "to": UInt(self.end),
                "days": List(tuple(map(_step, self.days))),
                "usage": UInt(self.opening.value),
                "z": Buffer(self.opening.z),
                "a": Buffer(self.opening.a),
                "amount": UInt(self.amount),
            }
        )


def _step(of: Step) -> Tuple:
    return Tuple.of(p=Buffer(of.p), q=Buffer(of.q), s=Buffer(of.s), l=Buffer(of.slope))


def post_tariff(at: Deployment, tariff: Tariff | TotalsTariff, terms: Terms) -> Call:
    """Post a tariff under the contract's name of it (`chaintariff.chain_tariff_hash`).

    ValueError for one the contract has no form for. By a verified provider, who has to
    be `terms.provider`. Answers the tariff's hash. Errors: u1301 to u1305.
    """
    told = chain_tariff(tariff, terms)
    names = ("kind", "blocks", "daily", "asset", "due", "from")
    return at.call("billing.post-tariff", {name: told[name] for name in names})


def let_provider(at: Deployment, meter: bytes, provider: Principal, until: int) -> Call:
    """Let `provider` open the usage of `meter` in bills.

    Until `until` (Unix seconds); 0 ends it. By the meter's owner, also while paused.
    Errors: u1300, u1306.
    """
    return at.call(
        "billing.let-provider",
        {
            "meter": arguments.meter_id(meter),
            "provider": provider,
            "until": UInt(until),
        },
    )


def calculate_bills(at: Deployment, asked: Sequence[AskedBill]) -> Call:
    """Make 1 to 8 bills, all or none; ValueError for another number.

    By the owner of each meter, or by the tariff's provider whom the owner let. Answers
    the bills' numbers. Errors: u1100 to u1103, u1106, u1300 to u1303, u1306 to u1310,
    u1314.
    """
    if not 1 <= len(asked) <= MAX_BILLS:
        raise ValueError(f"1 to {MAX_BILLS} bills are made at once")
    bills = List(tuple(one.value() for one in asked))
    return at.call("billing.calculate-bills", {"asked": bills})


def hold_bill(at: Deployment, bill: int, *, held: bool) -> Call:
    """Hold a disputed bill, or let it go with its time to pay prolonged.

    By the role "court". Errors: u1300, u1311, u1312.
    """
    return at.call("billing.hold-bill", {"id": UInt(bill), "held": Bool(held)})


def correct_bill(at: Deployment, bill: int, usage: int, amount: int) -> Call:
    """Lower a bill to `amount` for a verified usage of `usage`.

    By the role "court". Errors: u1300, u1310, u1311.
    """
    return at.call(
        "billing.correct-bill",
        {"id": UInt(bill), "usage": UInt(usage), "amount": UInt(amount)},
    )


def post_bill_hash(at: Deployment, bill_hash: bytes) -> Call:
    """Post the salted hash of a bill kept elsewhere, once.

    By a verified provider. Errors: u1301, u1302, u1313.
    """
    return at.call("billing.post-bill-hash", {"hash": arguments.digest(bill_hash)})
