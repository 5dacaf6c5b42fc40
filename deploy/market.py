"""A day of trades on the street: agreed the evening before, settled by what its meters say.

    day = agree(street, say, spared)      # None where too few homes export
    ... the street lives its day ...
    outcome = closed(day)                 # deploy.market_outcome

Some sell what they will surely make, one a quarter more, one in the dark and one by the sealed
auction; one buyer thinks better of it in time. Everything goes through the members' own API.
This module must never tell the aggregator what a meter will say.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

from deploy.people import Resident, exports, meet
from deploy.street import Street, registers

HOUR_S: Final = 3_600
FIRST_HOUR: Final = 10
HOURS: Final = 4
"""The hours before and after noon: whoever has a roof exports then."""
DARK_HOUR: Final = 20
PERCENT: Final = {"sure": 60, "keen": 125}
"""What they promise of what they will make."""
DARK_WH: Final = 1_000
LEAST_WH: Final = 400
"""Who exports less in those hours has nothing worth offering."""
PRICE: Final = 160_000
ASK: Final = 100_000
BID: Final = 200_000
"""Micro-units per kWh, between what the utility gives and takes."""
FEE: Final = 10_000
MONEY: Final = 20_000_000
STAKE: Final = 50_000
FUND: Final = 5_000_000
LEAST_SHARE: Final = 250
"""Money for four times what the greatest seller makes in those hours, price by the kWh."""
MONTHLY_WH: Final = 500_000
DAYS: Final = 40
"""Those hours' export of as many days is declared for a month: a beginner sells a tenth."""
SELLERS: Final = ("sure", "keen", "dark", "sealed")
BUYERS: Final = ("buyer", "bidder")

Row = Mapping[str, Any]  # JSON as the API gives it


@dataclass(frozen=True, slots=True)
class Day:
    """A day agreed on: who, what they ordered, and everybody's trust before it."""

    street: Street
    people: Mapping[str, Resident]
    trust: Mapping[str, int]


def agree(
    street: Street, say: Callable[[str], None], spared: Iterable[int]
) -> Day | None:
    """Let members offer, order, bid and cancel; None where too few homes export.

    The homes `spared` trade elsewhere.
    """
    parts, wh = _cast(street, set(spared))
    caps = {
        name: int(street.meters[home]["capacity_w"]) for name, home in parts.items()
    }
    if not {"sure", "buyer"} <= set(parts):
        say("No market today: it takes a home that exports at noon, and another one")
        return None
    _set_terms(street)
    people = meet(street, parts)
    most = max(sum(made.values()) for made in wh.values())
    for name, who in people.items():
        _bring_money(street, name, who, max(MONEY, most * BID // LEAST_SHARE))
        if name in SELLERS:
            made = {"monthly_wh": max(MONTHLY_WH, sum(wh[name].values()) * DAYS)}
            who.api.put("/v1/me/production", made)
    trust = {
        name: int(who.api.get("/v1/me/trust")["score_x10000"])
        for name, who in people.items()
    }
    buyer = people["buyer"]
    for name, slots in _sold(street, wh, caps).items():
        _sell(people[name], buyer, name, slots)
    _think_better(people["sure"], buyer, _hours(street)[-1])
    if {"sealed", "bidder"} <= set(people):
        _bid(people["sealed"], people["bidder"], wh["sealed"])
        people["sealed"].api.put("/v1/me/surplus", {"choice": "feed-in"})
    say(f"{len(people)} members have agreed on tomorrow's trades")
    return Day(street, people, trust)


def _cast(
    street: Street, spared: set[int]
) -> tuple[dict[str, int], dict[str, dict[int, int]]]:
    """Return who plays what, and what each seller will export in the hours around noon."""
    day, hours = exports(street), _hours(street)
    shown = [registers(street, at) for at in (*hours, hours[-1] + HOUR_S)]

    def noon(home: int) -> dict[int, int]:
        serial = street.meters[home]["serial"]
        seen = [one[serial]["export_wh"] for one in shown]
        made = (after - before for before, after in pairwise(seen))
        return dict(zip(hours, made, strict=True))

    free = sorted(
        (home for home in day if home not in spared), key=lambda home: day[home]
    )
    able = [home for home in reversed(free) if min(noon(home).values()) >= LEAST_WH]
    sellers = dict(zip(SELLERS, able[: max(1, len(free) - 1)], strict=False))
    others = [home for home in free if home not in sellers.values()]
    parts = {**sellers, **dict(zip(BUYERS, others, strict=False))}
    return parts, {name: noon(home) for name, home in sellers.items()}


def _sold(
    street: Street, wh: Mapping[str, Mapping[int, int]], caps: Mapping[str, int]
) -> dict[str, dict[int, int]]:
    """Return what each seller of fixed prices promises, Wh by the slot's start.

    `caps` are the Wh an hour that their meter points are certified for.
    """
    sold: dict[str, dict[int, int]] = {}
    for name, percent in PERCENT.items():
        if name in wh:
            sold[name] = {
                at: min(made * percent // 100, caps[name])
                for at, made in wh[name].items()
            }
    if "dark" in wh:
        sold["dark"] = {street.start + DARK_HOUR * HOUR_S: DARK_WH}
    return sold


def _hours(street: Street) -> list[int]:
    return [street.start + (FIRST_HOUR + n) * HOUR_S for n in range(HOURS)]


def _set_terms(street: Street) -> None:
    """Let the operator choose hours for slots, and a fee."""
    now = street.now()
    for name, value in (("market_slot_s", HOUR_S), ("market_fee_micro", FEE)):
        street.api.post(f"/v1/parameters/{name}", {"value": value, "from_at": now})
    paid = {
        "account": "mutual-fund", "direction": "in", "amount_micro": FUND, "way": "bank",
        "reference": "the community's fund",
    }  # fmt: skip
    street.api.post("/v1/payments", paid, "fund")


def _bring_money(street: Street, name: str, who: Resident, money: int) -> None:
    paid = {
        "account": who.id, "direction": "in", "amount_micro": money, "way": "mobile",
        "reference": f"paid in by {name}",
    }  # fmt: skip
    street.api.post("/v1/payments", paid, f"paid-in-{name}")
    if name in SELLERS:
        who.api.post("/v1/me/stake", {"amount_micro": STAKE}, "stake")


def _sell(seller: Resident, buyer: Resident, name: str, wh: Mapping[int, int]) -> None:
    """Offer these hours at one price, and let the buyer take all of them."""
    slots = [{"start": at, "wh": energy} for at, energy in sorted(wh.items())]
    wish = {"meter_point": seller.point, "price_micro_per_kwh": PRICE, "slots": slots}
    offer = seller.api.post("/v1/offers", wish, f"offer-{name}")["id"]
    order = buyer.api.post(
        "/v1/orders", {"offer": offer, "slots": slots}, f"order-{name}"
    )
    buyer.api.post(f"/v1/orders/{order['id']}/confirmation", {}, f"confirm-{name}")


def _think_better(seller: Resident, buyer: Resident, at: int) -> None:
    """Order a little more, confirm, and cancel it within the half hour."""
    slots = [{"start": at + HOUR_S, "wh": 100}]
    wish = {"meter_point": seller.point, "price_micro_per_kwh": PRICE, "slots": slots}
    offer = seller.api.post("/v1/offers", wish, "offer-more")["id"]
    order = buyer.api.post("/v1/orders", {"offer": offer, "slots": slots}, "order-more")
    path = f"/v1/orders/{order['id']}"
    buyer.api.post(f"{path}/confirmation", {}, "confirm-more")
    buyer.api.post(f"{path}/cancellation", {}, "cancel-more")


def _bid(seller: Resident, bidder: Resident, wh: Mapping[int, int]) -> None:
    """Ask for half of each hour, and bid for a third of it, under seal."""
    for at, made in wh.items():
        ask = {
            "side": "ask", "start": at, "wh": made // 2, "price_micro_per_kwh": ASK,
            "meter_point": seller.point,
        }  # fmt: skip
        seller.api.post("/v1/auction-orders", ask, f"ask-{at}")
        bid = {"side": "bid", "start": at, "wh": made // 3, "price_micro_per_kwh": BID}
        bidder.api.post("/v1/auction-orders", bid, f"bid-{at}")
