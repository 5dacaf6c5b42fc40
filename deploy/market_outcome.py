"""What became of the day of trades: each trade, everybody's trust, and where every Wh went.

Figures come from the members' own views, and energy is added up from the ledger's accounts
beside them. It must never add up what a program already added up for itself.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from deploy.market import BUYERS, SELLERS, Day

HELD: Final = "held"
SETTLED: Final = "settled"
GOODWILL: Final = ("from_stake", "from_fund")
"""What the buyer got for the kWh he had to buy elsewhere, dearer."""
UNIT: Final = 1_000_000

HEAD: Final = (
    "  hour   lane     seller > buyer     matched  delivered  short    paid  refunded"
    "  made good"
)

Row = Mapping[str, Any]  # JSON as the API gives it


@dataclass(frozen=True, slots=True)
class Traded:
    """The day's sums in Wh and micro-units, as members see them."""

    trades: tuple[Row, ...]
    fed_in_wh: int
    bought_wh: int
    trust: Mapping[str, tuple[int, int]]
    names: Mapping[int, str]

    @property
    def delivered_wh(self) -> int:
        """What the trades say was delivered."""
        return sum(row["delivered_wh"] for row in self.trades)

    @property
    def holds(self) -> bool:
        """Whether buyers hold what was delivered, and the day shows what it promised."""
        states = {row["state"] for row in self.trades}
        short = any(
            row["delivered_wh"] < row["wh"] for row in self.trades if row["run"]
        )
        return (
            self.bought_wh == self.delivered_wh > 0
            and HELD not in states
            and "cancelled" in states
            and (short or "dark" not in self.trust)
        )


def settled(day: Day) -> bool:
    """Tell whether every trade came to its end."""
    return all(
        row["state"] != HELD
        for name, who in day.people.items()
        if name in BUYERS
        for row in who.api.pages("/v1/me/trades", side="buyer")
    )


def gather(day: Day) -> Traded:
    """Ask every member for his trades, trust and balances."""
    people = day.people
    energy = [
        who.api.get("/v1/me/balances")["energy"]
        for name, who in people.items()
        if name in BUYERS
    ]
    # What a bill has netted is used, and bought all the same.
    bought = sum(int(row["bought_wh"]) + int(row["used_wh"]) for row in energy)
    trust = {
        name: (day.trust[name], int(who.api.get("/v1/me/trust")["score_x10000"]))
        for name, who in people.items()
    }
    fed_in = sum(
        row["fed_in_wh"]
        for name, who in people.items()
        if name in SELLERS
        for row in who.api.pages("/v1/me/slots")
    )
    names = {person.id: name for name, person in people.items()}
    return Traded(tuple(_trades(day)), fed_in, bought, trust, names)


def table(found: Traded) -> str:
    """Return the day of trades as a person reads it."""
    lines = [
        "",
        "  The day of trades (Wh; money in units of the test currency XTS)",
        HEAD,
    ]
    lines += [_line(row, found.names) for row in found.trades]
    lines += ["", "  trust           before   after"]
    for name, (before, after) in found.trust.items():
        lines.append(f"  {name:14} {before / 10_000:7.4f} {after / 10_000:7.4f}")
    return "\n".join(lines)


def _line(row: Row, who: Mapping[int, str]) -> str:
    hour = datetime.fromtimestamp(row["start"], UTC)
    parties = f"{who[row['seller']]} > {who[row['buyer']]}"
    short = row["wh"] - row["delivered_wh"] if row["state"] == SETTLED else 0
    paid = sum(run["paid_micro"] for run in row["runs"])
    made_good = sum(
        move["amount_micro"]
        for run in row["runs"]
        for move in run["moves"]
        if move["figure"] in GOODWILL
    )
    money = (paid / UNIT, (row["cost_micro"] - paid) / UNIT, made_good / UNIT)
    return (
        f"  {hour:%H:%M}  {row['lane']:8} {parties:18} {row['wh']:7} {row['delivered_wh']:10}"
        f" {short:6} {money[0]:7.3f} {money[1]:9.3f} {money[2]:10.3f}  {row['state']}"
    )


def _trades(day: Day) -> Iterator[Row]:
    for name, who in day.people.items():
        if name in BUYERS:
            for row in who.api.pages("/v1/me/trades", side="buyer"):
                yield who.api.get(f"/v1/trades/{row['id']}")
