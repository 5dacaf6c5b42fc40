"""A street that tells nobody its usage: its trustees, its homes, and what a day needs.

Founded like any street; then three trustees are appointed, every home is enrolled with
them and a witness pinned, and before the day begins the cell is fixed, every home is
supplied, seeds lie with the trustees and every device knows what it will be asked by.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Final
from zoneinfo import ZoneInfo

from deploy import billing, private_bills, trustees
from deploy.processes import until
from deploy.street import (
    DAY_S,
    READY_WITHIN_S,
    Street,
    agent_name,
    aggregate,
    enrol,
    found,
    start_agents,
    start_aggregator,
)
from deploy.trustees import Trustee
from meterseal_proto.rating.tariff import FullTariff
from meterseal_proto.reporting import quarter_of, quarter_text
from meterseal_proto.units import IMPORT, obis_text

HOUR_S: Final = 3_600
HOMES: Final = 32
"""The fewest a cell may have (SETTLED 23)."""
SPEED: Final = 720.0
"""Six hours pass between midnight and a set's cut-off: half a minute, in which a small
machine proves 32 days at its lowest priority. Who is later is in no set."""
LEAD_S: Final = 4 * HOUR_S
"""Network time in which more programs come up than in an open street."""
CELL: Final = "street"
AGENT: Final = """zone = "{zone}"
witness = "{witness}"
trustees = {fingerprints}
shortest_bill_days = 1
"""
METER: Final = """mode = "committed"
registers = ["1-0:1.8.0"]
"""
JOBS: Final = "prove_s = 0.5\ntotals_s = 1.0\nwitness_s = 0.5\nerrands_s = 0.5\n"
"""Behind the other periods, which end the aggregator's file."""
REGISTER: Final = obis_text(IMPORT)
EASTERNMOST: Final = 14
"""Hours that a zone is ahead of UTC at most."""

Say = Callable[[str], None]


@dataclass(slots=True)
class Chapter:
    """The street of this chapter and who helps it; `meters`, `supplies` are ids by home."""

    street: Street
    zone: str
    say: Say
    helpers: list[Trustee] = field(default_factory=list)
    meters: list[str] = field(default_factory=list)
    supplies: Mapping[int, int] = field(default_factory=dict)

    @property
    def day(self) -> int:
        """The rehearsed day in the street's zone, counted since 1970."""
        ahead = datetime.fromtimestamp(
            self.street.start, ZoneInfo(self.zone)
        ).utcoffset()
        assert ahead is not None
        return (self.street.start + int(ahead.total_seconds())) // DAY_S

    @property
    def tariffs(self) -> tuple[FullTariff, ...]:
        """What homes are billed by, in turn; each asks a device for one number."""
        return private_bills.tariffs(self.zone, self.street.start)


def midnight_after(now: int) -> tuple[int, str]:
    """Return a midnight at least LEAD_S after `now`, and a zone in which it is one.

    Somewhere it soon is, and a device whose disk lies still for a day opens nothing of
    before: a rehearsal must not skip one.
    """
    start = -(-(now + LEAD_S) // HOUR_S) * HOUR_S
    ahead = -(start // HOUR_S) % 24
    if ahead > EASTERNMOST:
        ahead -= 24
    # POSIX turns the sign: Etc/GMT-3 is three hours ahead of UTC.
    return start, f"Etc/GMT{-ahead:+d}" if ahead else "UTC"


def set_up(chapter: Chapter, port: int) -> None:
    """Found the network, appoint its trustees, and enrol every home with them pinned."""
    street, plan = chapter.street, chapter.street.plan
    found(street)
    aggregate(street, "parameter", "zone", chapter.zone)
    start_aggregator(street)
    network = street.api.get("/v1/network")
    street.processes.stop("aggregator")
    chapter.helpers = trustees.appoint(
        street,
        trustees.Served(network["network"], network["log_key"], chapter.zone),
        port,
    )
    with (plan.folder / "aggregator.toml").open("a") as config:
        config.write(JOBS)
        for one in chapter.helpers:
            config.write(f'[[trustees]]\nurl = "{one.url}"\nkey = "{one.keys}"\n')
            config.write(f'[[witnesses]]\nurl = "{one.url}"\nkey = "{one.witness}"\n')
    fingerprints = json.dumps([one.fingerprint for one in chapter.helpers])
    more = AGENT.format(
        zone=chapter.zone, witness=chapter.helpers[0].witness, fingerprints=fingerprints
    )
    street.plan = replace(plan, agent_more=more, meter_more=METER)
    enrol(street, chapter.say)
    of = {row["serial"]: row["meter"] for row in street.api.pages("/v1/meters")}
    chapter.meters = [of[str(meter["serial"])] for meter in street.meters]


def prepare(chapter: Chapter) -> None:
    """Let seeds reach the trustees and tariffs every device, in real time; fix the cell."""
    street, api = chapter.street, chapter.street.api
    trustees.serve(street, chapter.helpers)
    start_agents(street)
    chapter.supplies = billing.supply(street, chapter.tariffs).supplies
    until(
        partial(_ready, chapter), street.processes, READY_WITHIN_S,
        "seeds at three trustees and tariffs at every device",
    )  # fmt: skip
    cell = {
        "cell": CELL,
        "quarter": quarter_text(quarter_of(chapter.day)),
        "register": REGISTER,
        "meters": chapter.meters,
    }
    api.post("/v1/cells", cell)
    for name in (
        *map(agent_name, street.homes),
        *(one.name for one in chapter.helpers),
    ):
        street.processes.stop(name)


def _ready(chapter: Chapter) -> bool:
    """Tell whether every agent has three trustees' word and knows the tariffs."""
    for home in chapter.street.homes:
        status = chapter.street.status(home)
        done = (status or {}).get("errands")
        if not done or not done["kept"] or done["tariffs"] < len(chapter.tariffs):
            return False
    return True
