"""What one of our contracts printed, as a record: the way in for whoever follows the chain.

    match read(house, contract, event.value):
        case Anchor(number, size, root): ...

Our two tokens also print a transfer's memo as it is, up to 34 bytes of anybody's; that is
a `Memo` and cannot be taken for a record, which is a tuple. Pure. This module must never
take a record from a contract that is not ours, whatever topic it names.
"""

from dataclasses import dataclass
from typing import Final

from meterseal_aggregator.stacks.calls.deployment import Deployment
from meterseal_aggregator.stacks.events import bills, court, energy, market, people
from meterseal_aggregator.stacks.events.record import FORMS, Told
from meterseal_aggregator.stacks.transaction import MAX_MEMO
from meterseal_proto.c32 import Principal
from meterseal_proto.clarity import Ascii, Buffer, Tuple, Value
from meterseal_proto.errors import Malformed

ROOMS: Final = (bills, court, energy, market, people)
"""Where the records are; importing them fills `FORMS`."""
TOKENS: Final = ("energy-token", "utility-token")


@dataclass(frozen=True, slots=True)
class Memo(Told):
    """What somebody wrote beside a transfer: 0 to 34 bytes that mean nothing to us."""

    raw: bytes


def read(at: Deployment, contract: Principal, value: Value) -> Told:
    """Return what `contract` told; raises Malformed for what ours cannot have printed."""
    if contract.address != at.address or contract.name is None:
        raise Malformed("an event of a contract that is not ours")
    match value:
        case Buffer(raw) if contract.name in TOKENS and len(raw) <= MAX_MEMO:
            return Memo(raw)
        case Tuple(fields):
            topic = fields.get("topic")
            if not isinstance(topic, Ascii):
                raise Malformed("an event without a topic")
            form = FORMS.get((contract.name, topic.value))
            if form is None:
                raise Malformed(f"{contract.name} prints no {topic.value[:40]!r}")
            return form.read(value)
    raise Malformed("an event that is no tuple")
