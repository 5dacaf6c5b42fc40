"""The background duties: prove, validate, mint, trade, bill, sequence, anchor, add up, tell.

Rooms do the work; here each gets its period, the network's time and its keys. Every
duty runs until it finds nothing to do, so a backlog drains at full speed.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import structlog

from meterseal_aggregator.app.billing import bill, collect, erase, pack_usage
from meterseal_aggregator.app.chain import publishing
from meterseal_aggregator.app.chainbilling import bill_private, bring_bills
from meterseal_aggregator.app.drive import drive
from meterseal_aggregator.app.follow import follow
from meterseal_aggregator.app.house import House
from meterseal_aggregator.app.trading import keep_market, settle_market
from meterseal_aggregator.app.trustees import settle
from meterseal_aggregator.app.withdrawing import settle_withdrawals
from meterseal_aggregator.app.witnesses import ask, open_lines
from meterseal_aggregator.credits import mint
from meterseal_aggregator.intake import failed
from meterseal_aggregator.jobs import Duty, until_idle
from meterseal_aggregator.notices import duty as notices
from meterseal_aggregator.notices.duty import Mailroom
from meterseal_aggregator.privacy import proofs
from meterseal_aggregator.privacy.errands.send import Messenger, Voice
from meterseal_aggregator.privacy.telling import Tell, tell_failures
from meterseal_aggregator.privacy.trustees.round import Office
from meterseal_aggregator.stacks.anchors.job import OnItsWay, anchor_once
from meterseal_aggregator.translog import sequencer
from meterseal_aggregator.vee import job as vee

BATCHES_OF_PROOFS: Final = 20
"""Batches a run: ten seconds of work, well inside a lease on a machine four times slower."""
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Wires:
    """What duties reach beyond the house.

    `tell` sends an agent a signed receipt it has not asked for; `mailroom` has the ways out
    for notices; `office` the lines to the trustees, None where there are none.
    """

    tell: Tell
    mailroom: Mailroom
    office: Office | None = None


def duties(house: House, wires: Wires) -> list[Duty]:
    """Return every duty of a running aggregator with its period."""

    async def prove() -> int:
        return await check_proofs(house) + await tell_failures(
            house.database,
            house.keys.genesis.network,
            house.keys.receipt,
            wires.tell,
            int(house.now()),
        )

    periods = house.config.jobs
    return [
        Duty("sequence", periods.sequence_s, _with(house, sequence)),
        Duty("prove", periods.prove_s, prove),
        Duty("vee", periods.vee_s, _with(house, validate)),
        Duty("mint", periods.mint_s, _with(house, credit)),
        Duty("market", periods.market_s, _with(house, keep_market)),
        Duty("settle", periods.settle_s, _with(house, settle_market)),
        Duty("pack", periods.pack_s, _with(house, pack_usage)),
        Duty("bill", periods.bill_s, _with(house, bill)),
        Duty("bill-private", periods.bill_s, _with(house, bill_private)),
        Duty("collect", periods.collect_s, _with(house, collect)),
        Duty("erase", periods.erase_s, _with(house, erase)),
        Duty("anchor", periods.anchor_s, _with(house, anchor)),
        *(_chain(house) if house.config.stacks is not None else []),
        *([_totals(house, wires.office)] if wires.office is not None else []),
        *([_witness(house)] if house.config.witnesses else []),
        _errands(house, wires.tell),
        _notify(house, wires.mailroom),
    ]


async def sequence(house: House) -> int:
    """Give waiting log entries their index and sign; returns how many."""
    total = 0
    while True:
        now = int(house.now())
        done = await sequencer.run_once(house.database, house.keys.log, now)
        total += done.added
        if not done.more:
            return total


async def check_proofs(house: House) -> int:
    """Check the range proofs of committed days that wait; returns how many."""
    total = 0
    for _ in range(BATCHES_OF_PROOFS):
        now = int(house.now())
        done = await proofs.run_once(
            house.database, house.keys.genesis, now, failed.set_aside
        )
        if not done.count:
            break
        total += done.count
        if done.failed:
            agents = sorted({day.agent for day in done.failed})
            days = [day.id for day in done.failed]
            _log.warning("proofs_failed", agents=agents, days=days)
    return total


async def validate(house: House) -> int:
    """Assess what intake accepted; returns how many readings."""
    return await until_idle(lambda: vee.run_once(house.database, int(house.now())))


async def credit(house: House) -> int:
    """Mint what is final; returns how many slots were decided."""
    network = house.keys.genesis.network
    return await until_idle(
        lambda: mint.run_once(house.database, network, int(house.now()))
    )


async def anchor(house: House) -> int:
    """Publish the latest checkpoint; returns 1 when it is published for good just now.

    On the chain this wants the anchor and looks for it; `drive` sends it.
    """
    async with publishing(house) as publisher:
        try:
            done = await anchor_once(house.database, publisher, int(house.now()))
        except OnItsWay as waits:
            _log.info("anchor_waits", why=str(waits))
            return 0
    return int(done is not None)


def _drive(house: House) -> Duty:
    """Return the duty that sends what rooms want on the chain."""
    return Duty("drive", house.config.jobs.drive_s, _with(house, drive))


def _withdraw(house: House) -> Duty:
    """Return the duty behind members' withdrawals to the chain."""
    return Duty(
        "withdraw", house.config.jobs.withdraw_s, _with(house, settle_withdrawals)
    )


def _chain(house: House) -> list[Duty]:
    bills = Duty("bill-on-chain", house.config.jobs.drive_s, _with(house, bring_bills))
    return [_drive(house), _follow(house), _withdraw(house), bills]


def _follow(house: House) -> Duty:
    """Return the duty that reads the chain and settles what lies deep."""
    return Duty("follow", house.config.jobs.follow_s, _with(house, follow))


def _totals(house: House, office: Office) -> Duty:
    """Return the duty that asks the trustees, and publishes what they let be known."""

    async def run() -> int:
        return await settle(house, office)

    return Duty("totals", house.config.jobs.totals_s, run)


def _errands(house: House, tell: Tell) -> Duty:
    """Return the duty that tells private meters' agents what they have not answered."""
    voice = Voice(house.keys.genesis.network, house.keys.receipt, tell)
    messenger = Messenger(house.database, voice)

    async def run() -> int:
        return await messenger.run_once(int(house.now()))

    return Duty("errands", house.config.jobs.errands_s, run)


def _notify(house: House, mailroom: Mailroom) -> Duty:
    """Return the duty that tells members and operators what happened."""

    async def run() -> int:
        # Once: sending takes its time, and several rounds would outlast a lease.
        return await notices.run_once(house.database, mailroom, int(house.now()))

    return Duty("notify", house.config.jobs.notify_s, run)


def _witness(house: House) -> Duty:
    """Return the duty that has the newest checkpoint cosigned by every witness."""
    lines = open_lines(house)

    async def run() -> int:
        return await ask(house, lines)

    return Duty("witness", house.config.jobs.witness_s, run)


def _with(
    house: House, deed: Callable[[House], Awaitable[int]]
) -> Callable[[], Awaitable[int]]:
    async def run() -> int:
        return await deed(house)

    return run
