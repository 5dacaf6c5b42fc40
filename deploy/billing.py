"""The street's bills: a tariff before the day, a bill a home after it, one of them corrected.

    supplied = supply(street)
    ... the street lives its day, its trades are settled ...
    holds = bills(supplied, people, say)

A cycle is a day here, so that a day has bills. Some pay at once; one home's reading is
corrected by hand, which takes its bill back and puts another in its place. This module must
never compute what a bill should come to: `meterseal-verify` does, from the evidence.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from deploy.api import NotYet
from deploy.outcome import slots
from deploy.people import Resident
from deploy.processes import Failed, Program, until
from deploy.street import Street
from meterseal_proto.rating.components import (
    Base,
    Calendar,
    Fixed,
    Minor,
    Per,
    PeriodPrice,
    Price,
    Proration,
    Share,
    ShareKind,
    TimeOfUse,
    Wheeling,
    Window,
)
from meterseal_proto.rating.tariff import (
    Commodity,
    Cycle,
    FullTariff,
    Rule,
    Split,
    TotalOf,
    TotalRounding,
)
from meterseal_proto.units import IMPORT, obis_text

CODE: Final = "street-day"
CURRENCY: Final = "XTS"
UNIT: Final = 1_000_000
HUNDRED: Final = 100
"""Minor units of the tariff's currency in one of it."""
HOUR_S: Final = 3_600
STEP_S: Final = 900
EDITED_HOUR: Final = 3
"""The small hours: nobody trades then, so only the bill changes."""
WITHIN_S: Final = 120.0
HEAD: Final = (
    "  home                  used Wh   bought Wh    energy    lines       tax     total"
    "      paid"
)
EVERY_DAY: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

Row = Mapping[str, Any]  # JSON as the API gives it


@dataclass(frozen=True, slots=True)
class Supplied:
    """The street with a supply a home: its number, and the member's, by home.

    The homes `on_chain` have the Stacks rail: the hash of their bill is posted there.
    """

    street: Street
    supplies: Mapping[int, int]
    members: Mapping[int, int]
    on_chain: Collection[int] = ()


def tariff(valid_from: int) -> FullTariff:
    """Return the street's tariff: two prices by the hour, a charge a day, lines, a tax."""
    hours = Calendar(
        "hours",
        (
            Window("base", EVERY_DAY, "00:00", "17:00"),
            Window("evening", EVERY_DAY, "17:00", "21:00"),
            Window("base", EVERY_DAY, "21:00"),
        ),
    )
    prices = (
        PeriodPrice("base", Price(200_000)),
        PeriodPrice("evening", Price(320_000)),
    )
    charged = ("energy", "standing charge", "lines")
    components = (
        TimeOfUse("energy", "hours", prices),
        Fixed("standing charge", Price(50_000), Per.DAY, Proration.DAYS),
        Wheeling("lines", Price(30_000)),
        Share("tax", ShareKind.TAX, Price(160_000), Base.ROUNDED, charged),
    )
    return FullTariff(
        CODE, CURRENCY, "UTC", valid_from, Commodity.ELECTRICITY, components,
        Rule.HALF_EVEN, Split.PROPORTION, cycle=Cycle.DAY, calendars=(hours,),
        total_rounding=TotalRounding(Minor(5), Rule.HALF_UP, TotalOf.LINES),
    )  # fmt: skip


def supply(
    street: Street, by: Sequence[FullTariff] = (), on_chain: Collection[int] = ()
) -> Supplied:
    """Publish tariffs, and supply homes by them in turn from the day's first second on.

    Unsaid, all are supplied by the street's one.
    """
    published = by or (tariff(street.start),)
    for one in published:
        street.api.post_document("/v1/full-tariffs", one.document())
    members = {row["name"]: int(row["id"]) for row in street.api.pages("/v1/members")}
    supplies, of = {}, {}
    for home in street.homes:
        member = members[f"Home {home}"]
        detail = street.api.get(f"/v1/members/{member}")
        wish = {
            "tariff_code": published[home % len(published)].id, "member": member,
            "meter_point": int(detail["tenancies"][0]["meter_point"]),
            "from_at": street.start, "rail": "stacks" if home in on_chain else "ledger",
        }  # fmt: skip
        supplies[home] = int(street.api.post("/v1/supplies", wish)["id"])
        of[home] = member
    return Supplied(street, supplies, of, on_chain)


def bills(
    supplied: Supplied, people: Mapping[str, Resident], say: Callable[[str], None]
) -> bool:
    """Wait for a bill a home, pay, correct one, check one; returns whether all holds."""
    street = supplied.street
    until(partial(_are_out, supplied), street.processes, WITHIN_S, _waits(street))
    for who in people.values():
        _pay(who)
    first = {at: _usage(row) for at, row in _in_force(supplied).items()}
    home = _edited(supplied, people)
    taken = _edit(street, home)
    until(
        partial(_is_corrected, supplied, home), street.processes, WITHIN_S, "a new bill"
    )
    found = _in_force(supplied)
    say(_table(supplied, found, people, home))
    wrong = _wrong(first, _metered(street))
    after = _usage(found[home])
    if after != first[home] - taken:
        wrong.append(f"{home}: {after}, corrected by {taken} from {first[home]}")
    if wrong:
        say(f"A bill's usage is not what the readings add up to: {'; '.join(wrong)}")
        return False
    return _verified(street, found[_shown(found, people)]["number"], say)


def _wrong(
    billed: Mapping[int, int], metered: Mapping[int, tuple[int, int]]
) -> list[str]:
    return [
        f"{home}: {billed[home]} of {low} to {high}"
        for home, (low, high) in metered.items()
        if not low <= billed[home] <= high
    ]


def _are_out(supplied: Supplied) -> bool:
    return len(_in_force(supplied)) == len(supplied.supplies)


def _waits(street: Street) -> str:
    rows = list(street.api.pages("/v1/bill-waits"))
    return f"the day's bills ({rows[0]['detail'] if rows else 'each is on its way'})"


def _in_force(supplied: Supplied) -> dict[int, Row]:
    """Return each home's bill that no credit note took back."""
    rows = list(supplied.street.api.pages("/v1/bills"))
    gone = {row["corrects"] for row in rows if row["corrects"]}
    kept = {
        row["supply"]: row
        for row in rows
        if row["kind"] == "bill" and row["number"] not in gone
    }
    homes = {number: home for home, number in supplied.supplies.items()}
    return {
        homes[number]: supplied.street.api.get(f"/v1/bills/{row['number']}")
        for number, row in kept.items()
        if number in homes
    }


def _pay(who: Resident) -> None:
    """Pay what is asked of this member, from his balance."""
    owed = sum(
        row["standing"]["asked_micro"]
        for row in who.api.pages("/v1/me/bills")
        if row["standing"]
    )
    if owed > 0:
        wish = {"amount_micro": owed}
        who.api.post("/v1/me/bill-payments", wish, f"bills-of-{who.id}")


def _edited(supplied: Supplied, people: Mapping[str, Resident]) -> int:
    """Return the home whose reading is corrected: one that does not trade, if any."""
    busy = {*(who.home for who in people.values()), *supplied.on_chain}
    return next((home for home in supplied.supplies if home not in busy), 0)


def _edit(street: Street, home: int) -> int:
    """Halve what a home used in an hour of the night, as somebody who read it on site.

    Returns the Wh taken from it.
    """
    path = _register(street, home)
    begin = street.start + EDITED_HOUR * HOUR_S
    span = {"from": begin, "to": begin + HOUR_S}
    (used,) = street.api.get(f"{path}/usage", **span)["items"]
    wish = span | {"delta": used["total"] // 2, "reason": "read on site by a fitter"}
    street.api.post(f"{path}/edits", wish, f"edit-{home}")
    return int(used["total"]) - int(used["total"]) // 2


def _is_corrected(supplied: Supplied, home: int) -> bool:
    return bool(_in_force(supplied)[home]["replaces"])


def _register(street: Street, home: int) -> str:
    serial = street.meters[home]["serial"]
    meter = next(
        row["meter"]
        for row in street.api.pages("/v1/meters")
        if row["serial"] == serial
    )
    return f"/v1/meters/{meter}/registers/{obis_text(IMPORT)}"


def _metered(street: Street) -> dict[int, tuple[int, int]]:
    """Return the least and most that each home's readings of the day's import come to, Wh.

    They are one number but for a long interval that reaches into the day: each slot's share
    of it is whole Wh.
    """
    serials = {row["serial"]: row["meter"] for row in street.api.pages("/v1/meters")}
    found = {}
    for home, meter in enumerate(street.meters):
        low = high = 0
        for row in slots(
            street, serials[meter["serial"]], obis_text(IMPORT), "readings"
        ):
            begin, length, wh = row["start"], row["length"], row["delta"]
            inside = min(begin + length, street.end) - max(begin, street.start)
            if inside <= 0:
                continue
            in_part = -(-inside // STEP_S) if inside < length else 0
            low += max(0, wh * inside // length - in_part)
            high += wh * inside // length + in_part
        found[home] = (low, high)
    return found


def _usage(bill: Row) -> int:
    return sum(
        row["quantity"] for row in bill["usage"] if row["register"] == obis_text(IMPORT)
    )


def _shown(found: Mapping[int, Row], people: Mapping[str, Resident]) -> int:
    """Return the home whose bill is looked at closely: who bought from neighbours."""
    home = people["buyer"].home if "buyer" in people else -1
    return home if home in found else min(found)


def _table(
    supplied: Supplied,
    found: Mapping[int, Row],
    people: Mapping[str, Resident],
    edited: int,
) -> str:
    names = {who.home: name for name, who in people.items()}
    names |= dict.fromkeys(supplied.on_chain, "hash on chain")
    shown = sorted({*names, edited} & set(found))
    lines = [
        "",
        f"  The day's bills ({CURRENCY}): {len(found)} of {len(supplied.supplies)} homes",
        HEAD,
    ]
    for home in shown:
        lines.append(_line(home, names.get(home, ""), found[home]))
    total = sum(row["amount_micro"] for row in found.values())
    lines.append(f"  all bills in force come to {total / UNIT:.2f}")
    return "\n".join(lines)


def _line(home: int, name: str, bill: Row) -> str:
    lines = [line for part in bill["segments"] for line in part["lines"]]

    def of(*kinds: str) -> float:
        amount = sum(line["amount"] for line in lines if line["kind"] in kinds)
        return int(amount) / HUNDRED

    bought = sum(
        _milli(line["quantity"]) for line in lines if line["kind"] == "wheeling"
    )
    paid = bill["standing"]["paid_micro"] / UNIT
    after = f"  {bill['replaces']} was taken back" if bill["replaces"] else ""
    return (
        f"  {home:2} {name:16} {_usage(bill):10} {bought:11} {of('energy'):9.2f}"
        f" {of('wheeling'):8.2f} {of('tax'):9.2f} {bill['amount_micro'] / UNIT:9.2f}"
        f" {paid:9.2f}{after}"
    )


def _milli(quantity: str) -> int:
    """Return a fraction "n/d" of kWh in Wh."""
    numerator, _, denominator = quantity.partition("/")
    return int(numerator) * 1_000 // int(denominator or 1)


def evidence(street: Street, number: str) -> bytes:
    """Return a bill's evidence once all of it is in the log; raises Failed."""
    found: list[bytes] = []

    def there() -> bool:
        try:
            found.append(street.api.content(f"/v1/bills/{number}/evidence.zip"))
        except NotYet:
            return False
        return True

    until(there, street.processes, WITHIN_S, f"the evidence of bill {number}")
    return found[0]


def _verified(street: Street, number: str, say: Callable[[str], None]) -> bool:
    """Fetch a bill's evidence and have every line of it counted again."""
    from meterseal_proto.verify import main

    archive = street.plan.folder / "evidence.zip"
    archive.write_bytes(evidence(street, number))
    say(f"meterseal-verify: bill {number}, from its evidence")
    program = Program("verify-bill", lambda _: main([str(archive)]), ())
    try:
        street.processes.run(program, WITHIN_S)
    except Failed as failed:
        say(str(failed))
        return False
    said = street.processes.log(program.name).read_text().rstrip()
    say("    " + said.replace("\n", "\n    "))
    return True
