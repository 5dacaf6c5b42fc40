"""Kill programs of a running street at random, as a power cut would, then let it heal."""

import contextlib
import json
import random
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from deploy.broker import Broker
from deploy.freeport import free_port, free_ports
from deploy.outcome import Outcome, day_is_receipted, gather
from deploy.processes import Processes, until
from deploy.street import (
    DAY_S,
    Plan,
    Street,
    agent_name,
    aggregate,
    begin_day,
    set_up,
    start_agent,
    start_aggregator,
)

HEAL_WITHIN_S = 300.0
GRACE_S = 180.0


@dataclass
class Damage:
    """What was killed, and how it ended."""

    seed: int
    kills: dict[str, int] = field(default_factory=dict)
    restart_s: list[float] = field(default_factory=list)

    @property
    def total(self) -> int:
        return sum(self.kills.values())


@contextlib.contextmanager
def running_street(
    folder: Path, mosquitto: str | None, *, homes: int, speed: float
) -> Iterator[Street]:
    """A street whose day has begun, through Mosquitto or the embedded endpoint."""
    plan = Plan(
        folder,
        homes=homes,
        speed=speed,
        api_port=free_port(),
        mqtt_port=free_port(),
        meter_port=free_ports(homes),
    )
    with contextlib.ExitStack() as stack:
        broker = stack.enter_context(Broker(mosquitto)) if mosquitto else None
        processes = stack.enter_context(Processes(folder / "logs"))
        start = (int(time.time()) // DAY_S + 1) * DAY_S
        street = Street(plan, processes, broker, start)
        set_up(street, lambda _: None)
        begin_day(street)
        yield street


def kill_at_random(street: Street, damage: Damage, cycles: int) -> None:
    """Kill one program `cycles` times over most of the day, starting it again each time."""
    chance = random.Random(damage.seed)
    victims = ["aggregator", *(["broker"] if street.broker else []), "agent", "agent"]
    pause_s = 0.8 * DAY_S / street.plan.speed / cycles
    for _ in range(cycles):
        time.sleep(chance.uniform(0.2, 1.8) * pause_s)
        victim = chance.choice(victims)
        began = time.monotonic()
        if victim == "aggregator":
            street.processes.child("aggregator").kill()
            start_aggregator(street)
        elif victim == "broker":
            assert street.broker is not None
            street.broker.stop(signal.SIGKILL)
            street.broker.start()
        else:
            home = chance.choice(street.homes)
            street.processes.child(agent_name(home)).kill()
            start_agent(street, home)
        damage.restart_s.append(time.monotonic() - began)
        damage.kills[victim] = damage.kills.get(victim, 0) + 1
        street.processes.check()


def heal(street: Street) -> Outcome:
    """Wait until every register is receipted to the day's end and the books are closed."""
    rest_s = (street.end - street.now()) / street.plan.speed
    until(
        lambda: day_is_receipted(street),
        street.processes,
        rest_s + HEAL_WITHIN_S,
        "healing",
    )
    deadline = time.monotonic() + GRACE_S
    found = gather(street)
    while not found.settled and time.monotonic() < deadline:
        time.sleep(0.5)
        found = gather(street)
    return found


def audit(street: Street) -> list[dict[str, object]]:
    """Evaluate every invariant; fails when the command does."""
    findings: list[dict[str, object]] = json.loads(
        aggregate(street, "audit", "--json").splitlines()[-1]
    )
    return findings


def waiting(street: Street) -> int:
    """Intervals of the day itself that no receipt has emptied from an outbox."""
    return sum(
        max(0, street.end - row["end"])
        for home in street.homes
        if (status := street.status(home))
        for row in status["registers"]
    )
