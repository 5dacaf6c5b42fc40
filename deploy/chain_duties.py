"""The oracle's duties as a list, and whether each was done: by whom, how often, a txid.

A duty is done when each of its functions succeeded at least as often as it says, on the
street's contracts or on the story's; `in` names the token that has to have moved. This
module must never count what was refused.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from deploy.story.walk import Line

USAGE_PROOFS: Final = "meter-data.submit-usage-proof"
MONTH: Final = 28
"""Days that the shortest month has."""

DUTIES: Final[Mapping[str, tuple[str, ...]]] = {
    "register users and meters": (
        "user-registry.register-producer", "user-registry.register-consumer",
        "user-registry.register-provider", "user-registry.verify-user",
        "user-registry.request-meter", "user-registry.bind-meter",
    ),
    "certify producers": (
        "producer-certification.apply-for-certification",
        "producer-certification.certify-producer",
    ),
    "anchor checkpoints": ("energy-oracle.anchor",),
    "mint by issuance id": ("energy-token.mint",),
    "mint by a Merkle-claim epoch": ("energy-token.post-epoch", "energy-token.claim"),
    "list and buy": (
        "marketplace.list-offer", "marketplace.add-energy-for-sale",
        "marketplace.buy-energy-from-user", "marketplace.refund-energy",
    ),
    "escrow: open, settle, refund, expire": (
        "trade-escrow.open-trade", "trade-escrow.settle", "trade-escrow.cancel",
        "trade-escrow.expire",
    ),
    "rate": ("reputation.record-trade", "reputation.rate"),
    "stake and slash": ("reputation.stake", "reputation.slash", "reputation.unstake"),
    "a dispute decided by a sealed reading": (
        "dispute-resolution.open-dispute", "dispute-resolution.decide-by-reading",
        "dispute-resolution.finalise",
    ),
    "propose, vote, execute": (
        "governance.propose", "governance.vote", "governance.execute",
    ),
    "a month of daily commitments": (USAGE_PROOFS,),
    "a bill, paid in time": (
        "billing.post-tariff", "billing.post-bill-hash", "billing.calculate-bills",
        "payment.pay-bill",
    ),
    "a bill in a stablecoin, paid in it": (
        "stablecoin.published", "payment.allow-asset", "payment.pay-bill in usd",
    ),
    "a bill quoted by the operator, paid so": (
        "payment.quote-bill", "payment.pay-quoted",
    ),
    "a bill held, then lowered or let go": (
        "dispute-resolution.decide-by-opening", "dispute-resolution.resolve",
    ),
    "what was paid too much, given back": ("payment.refund-excess",),
    "community totals": ("usage-aggregation.post-set", "usage-aggregation.post-total"),
    "audit log": ("audit-log.append-entry",),
}  # fmt: skip


DUTY: Final = max(map(len, DUTIES))
FUNCTION: Final = max(len(one) for functions in DUTIES.values() for one in functions)


@dataclass(frozen=True, slots=True)
class Done:
    """A function: how often it was called for the street and in the story, the last txid."""

    duty: str
    function: str
    street: int
    story: int
    txid: str

    @property
    def enough(self) -> bool:
        """Whether that is what the duty needs."""
        least = MONTH if self.function == USAGE_PROOFS else 1
        return self.street + self.story >= least


def done(street: Sequence[Line], story: Sequence[Line]) -> list[Done]:
    """Return every function of every duty with what was done of it."""
    rows = []
    for duty, functions in DUTIES.items():
        for function in functions:
            on = [
                [line.txid for line in lines if function in _names(line)]
                for lines in (street, story)
            ]
            txids = on[1] + on[0]
            last = txids[-1] if txids else ""
            rows.append(Done(duty, function, len(on[0]), len(on[1]), last))
    return rows


def _names(line: Line) -> tuple[str, ...]:
    """Return what a line is called: by its function, and with the token that it moved."""
    if not line.token:
        return (line.function,)
    return line.function, f"{line.function} in {line.token}"


def table(rows: Sequence[Done]) -> str:
    """Return the duties for a person; what lacks is named MISSING."""
    lines = [f"  {'':{DUTY}}  {'':{FUNCTION}}  street  story  transaction"]
    before = ""
    for row in rows:
        duty = "" if row.duty == before else row.duty
        before = row.duty
        shown = f"0x{row.txid}" if row.enough else "MISSING"
        counts = f"{row.street:6d}  {row.story:5d}"
        lines.append(f"  {duty:{DUTY}}  {row.function:{FUNCTION}}  {counts}  {shown}")
    return "\n".join(lines)
