"""What a member hands in to have his bill computed on the chain: the opening of its days' sum.

    found = sum_opening(parse_usage(own), parse_private(bill))

He makes it of two files: his openings, which only his own page gives him, and the bill file
of just that period. The bill has to be one at one price, so its amount told the total
before: nothing is opened by it that the device had not agreed to open, only to more eyes,
for ever. This module must never give out the opening of anything but a billed period's
whole sum.
"""

from meterseal_proto import chainproof
from meterseal_proto.commitment import MAX_VALUE, opens, total
from meterseal_proto.privatefile import BillEvidence, DayEvidence, PrivateFile
from meterseal_proto.secret import Secret
from meterseal_proto.tariff import parse_tariff
from meterseal_proto.usagefile import OpenedDay, UsageFile


class NotOpenable(ValueError):
    """No opening for the chain can be made of these files; the sentence says why."""


def sum_opening(own: UsageFile, file: PrivateFile) -> chainproof.Opening:
    """Return what opens the sum of a bill's days; NotOpenable where it may or can not be."""
    evidence = _bill(own, file)
    statement = evidence.bill.statement
    days = _days(own, statement.headers)
    values = sum(sum(day.values) for day in days)
    blinding = Secret.total(Secret(one) for day in days for one in day.blindings)
    (band,) = parse_tariff(evidence.tariff).bands
    if band.price * values != statement.amount or not 0 <= values <= MAX_VALUE:
        raise NotOpenable("the openings are not those the bill was made of")
    sums = [day.header.sum for day in _sealed(file, statement.headers)]
    if not opens(total(sums), values, int.from_bytes(blinding.to_bytes())):
        raise NotOpenable("the openings do not open the sum of the bill's days")
    return chainproof.opening(values, blinding)


def _bill(own: UsageFile, file: PrivateFile) -> BillEvidence:
    """Return the bill of a file, if it is of this register and at one price."""
    if file.bill is None:
        raise NotOpenable("the file holds no bill: take the bill's own file")
    said = file.bill.bill.statement
    if (said.network, said.meter, said.register) != (
        own.network,
        own.meter,
        own.register,
    ):
        raise NotOpenable("the bill is of another meter or network than the openings")
    bands = parse_tariff(file.bill.tariff).bands
    if len(bands) != 1 or not bands[0].price:
        raise NotOpenable(
            "the bill has prices that change with the time: its total was never opened, so"
            " it is not computed on the chain"
        )
    return file.bill


def _days(own: UsageFile, headers: tuple[bytes, ...]) -> list[OpenedDay]:
    known = {day.header: day for day in own.days}
    lacking = [name for name in headers if name not in known]
    if lacking:
        raise NotOpenable(
            f"{len(lacking)} of the bill's days are not in the openings: export those of"
            " its whole period"
        )
    return [known[name] for name in headers]


def _sealed(file: PrivateFile, headers: tuple[bytes, ...]) -> list[DayEvidence]:
    known = {day.header.digest(file.genesis.chain_id): day for day in file.days}
    if any(name not in known for name in headers):
        raise NotOpenable("the bill's file lacks a day that the bill is over")
    return [known[name] for name in headers]
