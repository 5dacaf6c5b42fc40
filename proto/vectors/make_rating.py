"""Make rating.json: tariffs in full, loads, and the bills they come to, Wh by Wh.

Every Wh is priced on its own: which slot it is of, which period that slot begins in (asked
of the zone anew for each slot), how many came before it. Nothing is summed first. It must
never import meterseal_proto.

Usage: python proto/vectors/make_rating.py > proto/vectors/rating.json
"""

import hashlib
import json
import sys
from datetime import datetime, timedelta
from fractions import Fraction
from zoneinfo import ZoneInfo

ZONE = ZoneInfo("Europe/Madrid")
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
WEEK, END = list(DAYS[:5]), list(DAYS[5:])
DIGITS = 10**6
SEASONS = [{"name": "warm", "begin": "03-15"}, {"name": "cold", "begin": "10-26"}]
CALENDAR = {
    "name": "year",
    "seasons": SEASONS,
    "windows": [
        {"period": "night", "days": [*DAYS, "hol"], "end": "08:00"},
        {
            "period": "peak",
            "days": WEEK,
            "begin": "08:00",
            "end": "22:00",
            "seasons": ["warm"],
        },
        {
            "period": "flat",
            "days": WEEK,
            "begin": "08:00",
            "end": "22:00",
            "seasons": ["cold"],
        },
        {"period": "flat", "days": [*END, "hol"], "begin": "08:00", "end": "22:00"},
        {"period": "night", "days": [*DAYS, "hol"], "begin": "22:00"},
    ],
}
HOLIDAYS = ["03-19", "2026-12-25"]


def tariff(*components, **more):
    """Return a document's fields; those at their default are left out by who writes them."""
    return {
        "meterseal": "full-tariff/1", "id": "vector", "currency": "EUR",
        "zone": "Europe/Madrid", "valid_from": 1790000000, "commodity": "electricity",
        "rounding": "half-even", "split": "proportion", "components": list(components),
        **more,
    }  # fmt: skip


def second(text):
    """Return the second of a local time."""
    return int(datetime.fromisoformat(text).replace(tzinfo=ZONE).timestamp())


def period_of(at):
    """Return the period of the calendar that a second is in."""
    local = datetime.fromtimestamp(at, ZONE)
    day, clock = f"{local:%m-%d}", f"{local:%H:%M}"
    season = "warm" if "03-15" <= day < "10-26" else "cold"
    holiday = day in HOLIDAYS or f"{local:%Y-%m-%d}" in HOLIDAYS
    kind = "hol" if holiday else DAYS[local.weekday()]
    for window in CALENDAR["windows"]:
        begin, end = window.get("begin", "00:00"), window.get("end", "24:00")
        in_season = season in window.get("seasons", [season])
        if kind in window["days"] and begin <= clock < end and in_season:
            return window["period"]
    raise LookupError(at)


def each_wh(case, row="imported"):
    """Yield the second at which the slot of each Wh begins, in order."""
    for slot, wh in case[row]:
        for _ in range(wh):
            yield case["begin"] + slot * case["step"]


def days(case):
    """Return the local days of a period; all of ours begin and end at midnight."""
    begin = datetime.fromtimestamp(case["begin"], ZONE).date()
    return (datetime.fromtimestamp(case["end"], ZONE).date() - begin) // timedelta(1)


def share(case):
    """Return the share a period has of its cycle's days."""
    cycle = {"begin": case["cycle_begin"], "end": case["cycle_end"]}
    return Fraction(days(case), days(cycle))


def tier_of(tiers, usage, scale):
    """Return the number of the tier that a usage in Wh falls into."""
    for n, tier in enumerate(tiers):
        if "to" not in tier or usage <= tier["to"] * scale:
            return n
    raise LookupError(usage)


def scale_of(case, component):
    """Return what limits are multiplied by."""
    if component.get("per") == "day":
        return Fraction(days(case))
    return Fraction(1) if case["split"] == "carried" else share(case)


def split_wh(tiers, scale, before, count):
    """Return how much of the Wh after `before` lies in each tier; a limit may cut a Wh."""
    held = [Fraction(0)] * len(tiers)
    for n in range(before, before + count):
        at = Fraction(n)
        while at < n + 1:
            ends = [
                t["to"] * scale for t in tiers if "to" in t and t["to"] * scale > at
            ]
            nxt = min([Fraction(n + 1), *ends])
            held[tier_of(tiers, nxt, scale)] += nxt - at
            at = nxt
    return held


def energy(case, component):
    """Return {part number or period: amount} of an energy component."""
    kind, name = component["type"], component["name"]
    before = dict(case.get("used", [])).get(name, 0)
    seconds = list(each_wh(case))
    total = Fraction(0)
    if kind == "flat":
        return sum((Fraction(component["price"]) for _ in seconds), total)
    if kind == "time-of-use":
        price = {row["period"]: row["price"] for row in component["prices"]}
        return sum((Fraction(price[period_of(at)]) for at in seconds), total)
    if kind == "block":
        held = split_wh(
            component["tiers"], scale_of(case, component), before, len(seconds)
        )
        return sum(
            (
                n * tier["price"]
                for n, tier in zip(held, component["tiers"], strict=True)
            ),
            total,
        )
    if kind == "slab":
        scale = scale_of(case, component)
        tiers, all_wh = component["tiers"], before + len(seconds)
        now = tiers[tier_of(tiers, all_wh, scale)]["price"] * all_wh
        then = tiers[tier_of(tiers, before, scale)]["price"] * before
        return Fraction(now - then)
    return tiered(case, component, seconds, before)


def tiered(case, component, seconds, before):
    """Return the amount of tiers by time of use, by the rule they state."""
    tiers = {row["period"]: row["tiers"] for row in component["tiers"]}
    scale, total = scale_of(case, component), Fraction(0)
    periods = [period_of(at) for at in seconds]
    if component["tier_counter"] == "per-period":
        for period in set(periods):
            held = split_wh(tiers[period], scale, 0, periods.count(period))
            total += sum(
                n * t["price"] for n, t in zip(held, tiers[period], strict=True)
            )
        return total
    if component["allocation"] == "proportional":
        for period in set(periods):
            held = split_wh(tiers[period], scale, before, len(periods))
            part = Fraction(periods.count(period), len(periods))
            total += part * sum(
                n * t["price"] for n, t in zip(held, tiers[period], strict=True)
            )
        return total
    for n, period in enumerate(periods, start=before):
        held = split_wh(tiers[period], scale, n, 1)
        total += sum(h * t["price"] for h, t in zip(held, tiers[period], strict=True))
    return total


def peak(case, window):
    """Return the highest mean import over a window, in kW."""
    sums = {}
    for slot, wh in case["imported"]:
        at = case["begin"] + slot * case["step"]
        sums[at // window] = sums.get(at // window, 0) + wh
    return Fraction(max(sums.values()) * 3600, window * 1000)


def exact(case, component, done):
    """Return what a component comes to, in currency."""
    kind = component["type"]
    if kind in {"flat", "time-of-use", "block", "slab", "tiered-time-of-use"}:
        return energy(case, component) / (1000 * DIGITS)
    if kind == "fixed":
        times = days(case) if component["per"] == "day" else share(case)
        return Fraction(times * component["price"], DIGITS)
    if kind == "demand":
        (row,) = component["tiers"]
        (tier,) = row["tiers"]
        return peak(case, component["window_s"]) * Fraction(tier["price"], DIGITS)
    if kind == "export":
        given = sum(1 for _ in each_wh(case, "exported"))
        return Fraction(-given * component["price"], 1000 * DIGITS)
    if kind == "wheeling":
        bought = sum(1 for _ in each_wh(case, "bought"))
        return Fraction(bought * component["price"], 1000 * DIGITS)
    base = sum((done[name] for name in component["of"]), Fraction(0))
    if kind == "share":
        return base * Fraction(component["rate"], DIGITS)
    if kind == "minimum":
        least = Fraction(component["amount"], DIGITS) * share(case)
        return max(Fraction(0), least - max(Fraction(0), base))
    raise LookupError(kind)


def bill(case):
    """Return a case with its document, hash, and what each component comes to."""
    fields = case.pop("tariff")
    case["split"] = fields["split"]
    document = json.dumps(fields, sort_keys=True, separators=(",", ":"))
    digest = hashlib.sha256(b"meterseal/full-tariff/v1\x00" + document.encode())
    done = {}
    for component in fields["components"]:
        done[component["name"]] = exact(case, component, done)
    return {
        **case,
        "document": document,
        "hash": digest.hexdigest(),
        "exact": {name: str(amount) for name, amount in done.items()},
    }


def load(begin, end, rows, *, step=900, cycle=None, **more):
    """Return the fields of a load over a local span; rows are [slot, Wh]."""
    begin, end = second(begin), second(end)
    cycle_begin, cycle_end = (second(text) for text in cycle) if cycle else (begin, end)
    return {
        "begin": begin, "end": end, "step": step,
        "cycle_begin": cycle_begin, "cycle_end": cycle_end,
        "imported": rows, "exported": [], "bought": [], "used": [], **more,
    }  # fmt: skip


def spread(count, slots, wh):
    """Return `count` slots spread over a span, with unlike usage."""
    return [[n * slots // count, wh + n * 37 % 101] for n in range(count)]


TIERS = [
    {"price": 100_000, "to": 5_000}, {"price": 250_000, "to": 9_000}, {"price": 400_000}
]  # fmt: skip
PRICES = [
    {"period": "night", "price": 90_000}, {"period": "peak", "price": 310_000},
    {"period": "flat", "price": 170_000},
]  # fmt: skip
BY_PERIOD = [
    {"period": "night", "tiers": [{"price": 60_000, "to": 4_000}, {"price": 80_000}]},
    {"period": "peak", "tiers": TIERS},
    {"period": "flat", "tiers": [{"price": 120_000}]},
]
FLAT = {"type": "flat", "name": "energy", "price": 250_001}
VAT = {
    "type": "share", "name": "vat", "kind": "tax", "rate": 210_000, "base": "exact",
    "of": ["energy", "service"],
}  # fmt: skip
SERVICE = {
    "type": "fixed", "name": "service", "price": 3_100_000, "per": "month",
    "proration": "days",
}  # fmt: skip
MARCH = ("2026-03-01", "2026-04-01")
"""A month with a season's begin, a holiday and a day of 23 hours."""
TOU = {"type": "time-of-use", "name": "energy", "calendar": "year", "prices": PRICES}
SEASONED = {"calendars": [CALENDAR], "holidays": HOLIDAYS}


def counted(counter, allocation):
    """Return a tariff of tiers by time of use, by a rule."""
    one = {
        "type": "tiered-time-of-use", "name": "energy", "calendar": "year",
        "tier_counter": counter, "allocation": allocation, "tiers": BY_PERIOD,
    }  # fmt: skip
    return tariff(one, **SEASONED)


def cases():
    """Return all cases: name, tariff and load."""
    usage = spread(97, 2972, 60)
    half = spread(31, 960, 150)
    parts = {"cycle": MARCH}
    block = {"type": "block", "name": "energy", "tiers": TIERS}
    power = {
        "type": "demand", "name": "power", "window_s": 3600, "proration": "whole",
        "tiers": [{"period": "", "tiers": [{"price": 4_000_000}]}],
    }  # fmt: skip
    least = {
        "type": "minimum", "name": "least", "amount": 9_000_000, "per": "cycle",
        "base": "exact", "of": ["energy"],
    }  # fmt: skip
    sun = {"type": "export", "name": "sun", "netting": "register", "price": 50_000}
    lines = {"type": "wheeling", "name": "lines", "price": 20_000}
    ten = ("2026-03-01", "2026-03-11")
    return {
        "flat, a charge a month and a tax": (tariff(FLAT, SERVICE, VAT), load(*MARCH, usage)),
        "time of use over a season, a holiday and a missing hour": (
            tariff(TOU, **SEASONED), load(*MARCH, usage),
        ),
        "the day of 25 hours": (
            tariff(TOU, **SEASONED), load("2026-10-25", "2026-10-26", spread(50, 100, 20)),
        ),
        "29 February": (
            tariff(TOU, SERVICE, **SEASONED), load("2028-02-01", "2028-03-01", spread(90, 2784, 40)),
        ),
        "blocks": (tariff(block), load(*MARCH, usage)),
        "a slab": (tariff({**block, "type": "slab"}), load(*MARCH, usage)),
        "blocks per day": (tariff({**block, "per": "day"}), load(*MARCH, [[0, 90], [9, 199_000]])),
        "blocks of a part, by its share": (tariff(block), load(*ten, half, **parts)),
        "blocks of a part, carried": (
            tariff(block, split="carried"),
            load("2026-03-11", "2026-03-21", half, **parts, used=[["energy", 4_321]]),
        ),
        "a slab of a part, carried": (
            tariff({**block, "type": "slab"}, split="carried"),
            load("2026-03-11", "2026-03-21", half, **parts, used=[["energy", 4_321]]),
        ),
        "tiers over all periods, in order of time": (
            counted("all-periods", "chronological"), load(*MARCH, usage),
        ),
        "tiers over all periods, in proportion": (
            counted("all-periods", "proportional"), load(*MARCH, usage),
        ),
        "tiers per period": (counted("per-period", "chronological"), load(*MARCH, usage)),
        "power, a minimum and export": (
            tariff(FLAT, power, least, sun),
            load(*MARCH, spread(40, 2972, 200), exported=[[40, 2_500], [44, 3_000]]),
        ),
        "what neighbours sold": (
            tariff(lines), load(*MARCH, usage, bought=[[0, 50], [30, 61]]),
        ),
    }  # fmt: skip


def main():
    """Print the vectors."""
    made = []
    for name, (fields, found) in cases().items():
        made.append({"name": name, **bill({"tariff": fields, **found})})
    sys.stdout.write(json.dumps(made, indent=1) + "\n")


if __name__ == "__main__":
    main()
