"""The calls that members make on their own, from JSON to a typed call, by one table.

    CALLS["energy-token.retire"].arguments      # name -> type, of the Python function
    made(at, me, "energy-token.retire", {"amount": 1000, "beneficiary": "33..", ...})

Listed is what a member, or anybody, may do by the contracts; what the oracle, registrar,
court or operator does is not here, nor is a bill's calculation, which opens usage for ever
(SETTLED 26) and belongs to the device. Pure. This module must never make a call that is not
in the table, nor one for somebody else's tokens.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final, get_type_hints

from meterseal_aggregator.stacks.calls import (
    billing,
    certification,
    disputes,
    escrow,
    governance,
    marketplace,
    meterdata,
    payment,
    registry,
    reputation,
    token,
    utility,
)
from meterseal_aggregator.stacks.calls.deployment import Call, Deployment
from meterseal_aggregator.stacks.wallet.typed import Type, Wrong, object_of, spelled
from meterseal_proto.c32 import Principal

_AT: Final = "at"
_OWN: Final = "sender"
"""Whose tokens move is not asked: it is the account that signs."""


class NoSuchCall(Exception):
    """A function that no member calls on his own."""


@dataclass(frozen=True)
class MemberCall:
    """A function of ours that makes a call; its signature says what is asked for."""

    make: Callable[..., Call]

    @cached_property
    def hints(self) -> Mapping[str, Type]:
        """All parameters but the deployment, with their types."""
        found = get_type_hints(self.make)
        return {name: found[name] for name in inspect.signature(self.make).parameters}

    @property
    def arguments(self) -> dict[str, Type]:
        """What is asked for: every parameter but the deployment and the account."""
        return {n: kind for n, kind in self.hints.items() if n not in (_AT, _OWN)}

    @property
    def about(self) -> str:
        """What it does, by whom and with which errors, in the words of its documentation."""
        return " ".join((inspect.getdoc(self.make) or "").split())

    def words(self) -> dict[str, str]:
        """Return what to write for each argument."""
        return {name: spelled(kind, name) for name, kind in self.arguments.items()}


def made(at: Deployment, me: Principal, function: str, given: object) -> Call:
    """Return the call of `CONTRACT.FUNCTION`; raises NoSuchCall, or Wrong with its place."""
    known = CALLS.get(function)
    if known is None:
        raise NoSuchCall(function)
    values = object_of(given, known.arguments, "")
    if _OWN in known.hints:
        values[_OWN] = me
    try:
        return known.make(at, **values)
    except ValueError as error:
        raise Wrong("arguments", str(error)) from None


_MAKERS: Final[Mapping[str, Callable[..., Call]]] = {
    "energy-token.transfer": token.transfer,
    "energy-token.retire": token.retire,
    "energy-token.claim": token.claim,
    "utility-token.transfer": utility.transfer,
    "utility-token.burn": utility.burn,
    "user-registry.register-producer": registry.register_producer,
    "user-registry.register-consumer": registry.register_consumer,
    "user-registry.register-provider": registry.register_provider,
    "user-registry.set-profile": registry.set_profile,
    "user-registry.request-meter": registry.request_meter,
    "user-registry.rotate-meter-key": registry.rotate_meter_key,
    "user-registry.request-new-key": registry.request_new_key,
    "user-registry.revoke-meter": registry.revoke_meter,
    "producer-certification.apply-for-certification": (
        certification.apply_for_certification
    ),
    "marketplace.list-offer": marketplace.list_offer,
    "marketplace.update-offer": marketplace.update_offer,
    "marketplace.cancel-offer": marketplace.cancel_offer,
    "marketplace.add-energy-for-sale": marketplace.add_energy_for_sale,
    "marketplace.remove-energy-from-sale": marketplace.remove_energy_from_sale,
    "marketplace.buy-energy-from-user": marketplace.buy_energy_from_user,
    "marketplace.refund-energy": marketplace.refund_energy,
    "marketplace.fund-refunds": marketplace.fund_refunds,
    "trade-escrow.open-trade": escrow.open_trade,
    "trade-escrow.settle": escrow.settle,
    "trade-escrow.cancel": escrow.cancel,
    "trade-escrow.expire": escrow.expire,
    "reputation.record-trade": reputation.record_trade,
    "reputation.rate": reputation.rate,
    "reputation.stake": reputation.stake,
    "reputation.request-unstake": reputation.request_unstake,
    "reputation.unstake": reputation.unstake,
    "dispute-resolution.open-dispute": disputes.open_dispute,
    "dispute-resolution.decide-by-reading": disputes.decide_by_reading,
    "dispute-resolution.decide-by-opening": disputes.decide_by_opening,
    "dispute-resolution.vote": disputes.vote,
    "dispute-resolution.resolve": disputes.resolve,
    "dispute-resolution.appeal": disputes.appeal,
    "dispute-resolution.finalise": disputes.finalise,
    "governance.propose": governance.propose,
    "governance.vote": governance.vote,
    "governance.unlock": governance.unlock,
    "governance.withdraw-proposal": governance.withdraw_proposal,
    "governance.execute": governance.execute,
    "meter-data.submit-usage-proof": meterdata.submit_usage_proof,
    "meter-data.show-equivocation": meterdata.show_equivocation,
    "billing.let-provider": billing.let_provider,
    "billing.post-bill-hash": billing.post_bill_hash,
    "payment.pay-bill": payment.pay_bill,
    "payment.pay-quoted": payment.pay_quoted,
    "payment.quote-bill": payment.quote_bill,
    "payment.refund-excess": payment.refund_excess,
}
CALLS: Final = {name: MemberCall(make) for name, make in _MAKERS.items()}
"""By the contract's and the function's names there."""
