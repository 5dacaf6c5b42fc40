"""What a monitor watches of the house as a whole: silence, notices, anchors, debts, audits.

Counts and ages only. This module must never show a number that is one member's.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from prometheus_client.core import GaugeMetricFamily, Metric

from meterseal_aggregator.billing.statements.store import counted
from meterseal_aggregator.notices import outbox
from meterseal_aggregator.notices.duty import SILENT_AFTER_S
from meterseal_aggregator.notices.gather import silent
from meterseal_aggregator.stacks.anchors.store import last_published_at
from meterseal_aggregator.stacks.outbox import troubles
from meterseal_aggregator.storage import audits
from meterseal_aggregator.storage.database import Transaction

NEVER: Final = -1
"""The age of what never was."""


@dataclass(frozen=True, slots=True)
class Watched:
    """Counts, and ages in seconds of the network; `bills` by their state."""

    agents_silent: int
    notices: outbox.Counts
    oldest_notice_s: int
    anchor_age_s: int
    troubles: int
    bills: dict[str, int]
    audit_failing: int
    audit_age_s: int

    def families(self) -> Iterator[Metric]:
        """Give every family."""
        for name, text, value in (
            ("agents_silent", "Agents nothing was heard of", self.agents_silent),
            ("notices_waiting", "Notices to be sent", self.notices.waiting),
            ("notices_given_up", "Notices given up (alarm)", self.notices.given_up),
            ("notices_oldest_seconds", "Age of the oldest", self.oldest_notice_s),
            ("anchor_age_seconds", "Since the last anchor; -1 none", self.anchor_age_s),
            ("chain_troubles", "What keeps deeds from going on", self.troubles),
            (
                "audit_failing",
                "Findings of the last audit that fail",
                self.audit_failing,
            ),
            ("audit_age_seconds", "Since the last audit; -1 none", self.audit_age_s),
        ):
            yield GaugeMetricFamily(f"meterseal_{name}", text, value)
        bills = GaugeMetricFamily("meterseal_bills", "Bills by state", labels=["state"])
        for state, count in sorted(self.bills.items()):
            bills.add_metric([state], count)
        yield bills


async def watch(tx: Transaction, now: int) -> Watched:
    """Look at the house at network second `now`: seven statements."""
    told = await outbox.counts(tx)
    audited = await audits.last(tx)
    return Watched(
        agents_silent=await silent(tx, now - SILENT_AFTER_S),
        notices=told,
        oldest_notice_s=0 if told.oldest is None else max(0, now - told.oldest),
        anchor_age_s=_age(await last_published_at(tx), now),
        troubles=await troubles.count(tx),
        bills=await counted(tx),
        audit_failing=0 if audited is None else audited.failing,
        audit_age_s=_age(None if audited is None else audited.at, now),
    )


def _age(at: int | None, now: int) -> int:
    return NEVER if at is None else max(0, now - at)
