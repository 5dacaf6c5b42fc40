"""Put together what a private meter's errands need: deposits, openings, who is believed.

A trustee nobody pinned, or a witness that is missing, takes one thing away and says so;
meters are read and sealed all the same. Nothing is decided here.
"""

import logging
from dataclasses import dataclass

from meterseal_agent.config import Config
from meterseal_agent.outbox.store import Outbox
from meterseal_agent.run.enrolment import Enrolment
from meterseal_agent.seal.billing import Billing, Household
from meterseal_agent.seal.netting import Nettings
from meterseal_agent.seal.opening import Openings, PinnedLog
from meterseal_agent.seal.seeds import Deposits, NotPinned, pinned
from meterseal_proto.units import MeterId

_log = logging.getLogger("meterseal.errands")


@dataclass(frozen=True, slots=True)
class Seeds:
    """The agent's deposits, None where no trustee is given any; `trouble` says why not."""

    deposits: Deposits | None
    trouble: str = ""

    def kept(self, meter: MeterId) -> bool:
        """Tell whether all three trustees keep a meter's seeds: its totals are masked."""
        return self.deposits is not None and self.deposits.kept(meter)


def make_seeds(config: Config, enrolment: Enrolment, outbox: Outbox) -> Seeds:
    """Make the deposits of every committed meter, or say why there are none."""
    if not config.trustees or not enrolment.committed:
        return Seeds(None)
    try:
        trustees = pinned(enrolment.answer.trustee_keys, config.trustees)
    except NotPinned as error:
        _log.error("seeds_not_deposited why=%r", str(error))
        return Seeds(None, str(error))
    deposits = Deposits(outbox, enrolment.keys, enrolment.network, trustees)
    deposits.make({meter for meter, _ in enrolment.committed})
    if not deposits.strange:
        return Seeds(deposits)
    trouble = (
        f"the seeds of {len(deposits.strange)} meters lie with other trustees than those"
        " configured: their totals are not told; enrol anew, or write the old ones"
    )
    _log.error("seeds_elsewhere why=%r", trouble)
    return Seeds(deposits, trouble)


def make_billing(config: Config, enrolment: Enrolment, outbox: Outbox) -> Billing:
    """Make what answers an aggregator that asks for bills."""
    keys, network = enrolment.keys, enrolment.network
    second = config.witness
    return Billing(
        outbox,
        Openings(outbox, keys, network, enrolment.links),
        keys.seal_key,
        _household(config, enrolment),
        PinnedLog(enrolment.answer.log_key, second) if second else None,
    )


def make_nettings(config: Config, enrolment: Enrolment, outbox: Outbox) -> Nettings:
    """Make what answers an aggregator that asks which trades may be netted."""
    return Nettings(
        *(outbox, enrolment.keys, _household(config, enrolment), enrolment.committed),
        willing=config.net_purchases,
    )


def _household(config: Config, enrolment: Enrolment) -> Household:
    registers = enrolment.committed.keys()
    return Household(enrolment.network, registers, config.shortest_bill_days)
