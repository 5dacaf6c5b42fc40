"""One private home's whole way: real agent, aggregator and trustees, killed at each step.

The bodies of what was promised are read from the programs' own files and API; nothing
is told to a program but what a person would tell it.
"""

import contextlib
import sqlite3
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

from deploy import trustees
from deploy.freeport import free_port, free_ports
from deploy.outcome import SETTLED_WITHIN_S
from deploy.private_street import REGISTER, Chapter, midnight_after, set_up
from deploy.processes import Processes, until
from deploy.street import (
    DAY_S,
    READY_WITHIN_S,
    Plan,
    Street,
    agent_name,
    begin_day,
    start_agent,
    start_agents,
)
from meterseal_agent.outbox.store import Outbox
from meterseal_proto.tariff import Band, MicroPerKwh, Tariff

HOME: Final = 0
NAME: Final = agent_name(HOME)
SPEED: Final = 720.0
"""A day in two minutes: at twice that a busy machine loses slots, and the home rightly refuses."""


class PrivateHome:
    """A street of one home that tells nobody its usage; `tariff` is what it is billed by."""

    def __init__(self, chapter: Chapter) -> None:
        self.chapter = chapter
        self.street = chapter.street
        band = Band(MicroPerKwh(250_000))
        self.tariff = Tariff("flat", "XTS", chapter.zone, 0, (band,))
        self.kills = 0

    @property
    def outbox(self) -> Path:
        """The agent's own file."""
        return self.street.agent_folder(HOME) / "outbox.sqlite"

    @property
    def database(self) -> Path:
        """The aggregator's file."""
        return self.street.plan.folder / "aggregator" / "aggregator.sqlite"

    @property
    def requests(self) -> str:
        """The resource of bills that are asked of this home."""
        return f"/v1/meters/{self.chapter.meters[0]}/registers/{REGISTER}/bill-requests"

    def kill(self) -> None:
        """End the agent as a power cut would, and start it again."""
        self.street.processes.child(NAME).kill()
        start_agent(self.street, HOME)
        self.kills += 1

    def rows(self, file: Path, sql: str, *params: object) -> list[tuple[Any, ...]]:
        """Return the rows of a select on a program's file; none before it is made."""
        where = f"file:{file}?mode=ro"
        try:
            with contextlib.closing(sqlite3.connect(where, uri=True)) as db:
                return db.execute(sql, params).fetchall()
        except sqlite3.OperationalError:
            return []

    def until(self, there: Callable[[], object], what: str, network_s: int = 0) -> None:
        """Wait until something is there; Failed says what is missing."""
        patience = network_s / SPEED + SETTLED_WITHIN_S + READY_WITHIN_S
        until(lambda: bool(there()), self.street.processes, patience, what)

    def appears(self, file: Path, sql: str, what: str, *params: object) -> Any:
        """Wait for the first row of a select, up to two days, and return it."""
        there = partial(self.rows, file, sql, *params)
        self.until(there, what, 2 * DAY_S)
        return there()[0]

    def deposit_and_hear(self) -> bytes:
        """Let seeds reach three trustees, the agent killed on the way; returns the deposit."""
        trustees.serve(self.street, self.chapter.helpers)
        start_agents(self.street)
        (made,) = self.appears(
            self.outbox, "SELECT payload FROM deposits", "the deposit"
        )
        self.kill()
        self.appears(self.database, "SELECT 1 FROM seed_deposits", "the seeds")
        self.kill()
        self.appears(
            self.database,
            "SELECT 1 FROM trustee_answers WHERE act = 1 AND signature IS NOT NULL"
            " GROUP BY subject HAVING count(*) = 3",
            "three trustees' signatures",
        )
        self.kill()
        self.appears(
            self.outbox, "SELECT 1 FROM deposits WHERE kept IS NOT NULL", "their word"
        )
        self.kill()
        return bytes(made)

    def begin_day(self) -> None:
        """Go on in fast time, shortly before the day."""
        self.street.processes.child(NAME).kill()
        for one in self.chapter.helpers:
            self.street.processes.stop(one.name)
        begin_day(
            self.street, partial(trustees.serve, self.street, self.chapter.helpers)
        )

    def learn_tariff(self) -> None:
        """Publish the tariff, the agent killed as soon as it was told."""
        document = self.tariff.document().decode()
        self.street.api.post("/v1/tariffs", {"document": document})
        self.appears(self.database, "SELECT 1 FROM tariffs_told", "the tariff told")
        self.kill()
        self.appears(
            self.database,
            "SELECT 1 FROM tariffs_told WHERE known_at IS NOT NULL",
            "the tariff known",
        )

    def live_the_day(self) -> None:
        """Wait until the day's proof is verified."""
        self.appears(
            self.database,
            "SELECT 1 FROM committed_seals s JOIN range_proofs p ON p.seal_id = s.id"
            " WHERE p.state = 'verified' AND s.first = ?",
            "the day's verified proof",
            self.street.start,
        )

    def ask(self, begin: int, end: int) -> int:
        """Ask for a bill; returns the request's id."""
        wish = {"begin": begin, "end": end, "tariff": self.tariff.hash().hex()}
        made = self.street.api.post(self.requests, wish)
        assert made["state"] == "asked", made
        return int(made["id"])

    def request(self, number: int) -> dict[str, Any]:
        """Return how a request stands."""
        found = {row["id"]: row for row in self.street.api.pages(self.requests)}
        return found[number]

    def answered(self, number: int) -> dict[str, Any]:
        """Wait until a request is answered, the agent killed as soon as it was asked."""
        self.until(lambda: self.request(number)["sent_at"], "the wish sent", DAY_S)
        self.kill()
        self.until(
            lambda: self.request(number)["state"] != "asked", "the answer", DAY_S
        )
        return self.request(number)

    def used_wh(self) -> int:
        """Return what the device itself says it used on the day; it must not run."""
        self.street.processes.stop(NAME)
        network = bytes.fromhex(self.street.api.get("/v1/network")["network"])
        with contextlib.closing(
            Outbox(self.outbox, registers=1, network=network)
        ) as box:
            (chain,) = box.chains()
            days = box.days_between(chain, self.street.start, self.street.end)
        assert sum(len(day.values) for day in days) == 96
        return sum(value or 0 for day in days for value in day.values)


@contextlib.contextmanager
def private_home(folder: Path) -> Iterator[PrivateHome]:
    """Found a street of one private home, with trustees and a witness appointed."""
    now = int(time.time())
    start, zone = midnight_after(now)
    plan = Plan(
        folder,
        homes=1,
        speed=SPEED,
        lead_s=start - now,
        api_port=free_port(),
        mqtt_port=free_port(),
        meter_port=free_ports(1),
        network="private-street",
    )
    with Processes(folder / "logs") as processes:
        chapter = Chapter(
            Street(plan, processes, None, start), zone, lambda _said: None
        )
        set_up(chapter, free_ports(3))
        yield PrivateHome(chapter)
