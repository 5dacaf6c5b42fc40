"""A rehearsed street: meters, agents and the aggregator, set up in real time, run fast.

Setting up (keys, certificates, one enrolment a home) happens at the real hour while the
meters stand still; then everything is started again with METERSEAL_CLOCK, shortly
before the street's day begins. The demo and the kill test both stand on this. It must never reach
into a program: it starts them, reads their files and asks their API.
"""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from deploy.api import Api
from deploy.broker import Broker
from deploy.processes import Child, Failed, Main, Processes, Program, environment, until
from meterseal_proto.clock import VARIABLE, ClockRate

DAY_S: Final = 86_400
LEAD_S: Final = 2_700
"""Network time between the fast start and the day's first slot: programs come up in it."""
READY_WITHIN_S: Final = 180.0
ENROL_TOGETHER: Final = 4
"""Agents enrolling at once: twice the cores of a small machine."""
OPERATOR: Final = "operator"


@dataclass(frozen=True, slots=True)
class Plan:
    """What to rehearse. `replay` is a file of real homes; `speed` network seconds a second.

    The meters answer on consecutive ports from `meter_port`, one a home. The fast start
    is `lead_s` of the network's time before the day. `agent_more` and `meter_more` are
    TOML for every agent, at the top and in its meter's table; `network_more` and
    `chain_more` for the aggregator, at the top and at the end.
    """

    folder: Path
    homes: int = 24
    seed: int = 1
    speed: float = 1440.0
    replay: Path | None = None
    row: int = 0
    api_port: int = 8080
    mqtt_port: int = 1883
    meter_port: int = 15020
    poll_s: int = 120
    lateness_s: int = 600
    lead_s: int = LEAD_S
    network: str = "street"
    agent_more: str = ""
    meter_more: str = ""
    network_more: str = ""
    chain_more: str = ""


@dataclass(slots=True)
class Street:
    """The running street. `start` is the day's first second, UTC.

    `enrolled_from` is a second before any of its homes was enrolled.
    """

    plan: Plan
    processes: Processes
    broker: Broker | None
    start: int
    enrolled_from: int = field(default_factory=lambda: int(time.time()) - LEAD_S)
    rate: ClockRate = field(default_factory=ClockRate)
    meters: list[dict[str, Any]] = field(default_factory=list)  # Any: the map's JSON

    @property
    def end(self) -> int:
        """The day's last second, exclusive."""
        return self.start + DAY_S

    @property
    def map_file(self) -> Path:
        """The simulator's map of meters."""
        return self.plan.folder / "street.json"

    @property
    def api(self) -> Api:
        """The aggregator's API as its operator."""
        token = (self.plan.folder / "operator.token").read_text().strip()
        return Api(f"http://127.0.0.1:{self.plan.api_port}", token)

    def now(self) -> int:
        """The network's time."""
        return int(self.rate.at(time.time()))

    def agent_folder(self, home: int) -> Path:
        """An agent's data directory."""
        return self.plan.folder / f"agent-{home:02d}"

    def status(
        self, home: int
    ) -> Mapping[str, Any] | None:  # Any: the agent's status JSON
        """What an agent last said of itself, None before it did."""
        try:
            found: Mapping[str, Any] = json.loads(
                (self.agent_folder(home) / "status.json").read_text()
            )
        except (OSError, ValueError):
            return None
        return found

    @property
    def homes(self) -> range:
        """The homes that exist: a replayed file may hold fewer than were asked."""
        return range(len(self.meters))


def set_up(street: Street, say: Callable[[str], None]) -> None:
    """Write configurations, start the programs in real time and enrol every home.

    Raises Failed with one sentence and what the failing program said.
    """
    found(street)
    enrol(street, say)


def found(street: Street) -> None:
    """Start the meters, and make the network: its keys, its books, its operator's token."""
    _write_aggregator_config(street)
    start_meters(street)
    street.meters = json.loads(street.map_file.read_text())["meters"]
    aggregate(street, "migrate")
    said = aggregate(street, "token", "--role", OPERATOR, "--json")
    token = json.loads(said.splitlines()[-1])["token"]
    (street.plan.folder / "operator.token").write_text(token)


def enrol(street: Street, say: Callable[[str], None]) -> None:
    """Start the aggregator and enrol every home's agent, a few at once."""
    processes = street.processes
    start_aggregator(street)
    codes = [_code(street, home) for home in street.homes]
    say(f"{len(codes)} homes have a one-time code; their agents enrol")
    waiting: list[Child] = []
    for home, code in enumerate(codes):
        _write_agent_config(street, home)
        arguments = ("enrol", "--code", code, "--config", _agent_config(street, home))
        waiting.append(
            processes.start(Program(f"enrol-{home:02d}", agent_main(), arguments))
        )
        while sum(child.running() for child in waiting) >= ENROL_TOGETHER:
            time.sleep(0.01)
    until(
        lambda: not any(child.running() for child in waiting), processes, READY_WITHIN_S,
        "the enrolment of every home",
    )  # fmt: skip
    processes.check()


def begin_day(street: Street, beside: Callable[[], None] = lambda: None) -> None:
    """Start everything again in fast time, before the day; agents begin to run.

    `beside` starts what else there is, between meters and aggregator.
    """
    street.processes.stop("sim")
    street.processes.stop("aggregator")
    now, speed = time.time(), street.plan.speed
    # The one epoch at which both clocks agree, so that it is that long before the day now.
    begin = street.start - street.plan.lead_s
    street.rate = ClockRate((speed * now - begin) / (speed - 1), speed)
    start_meters(street)
    beside()
    start_aggregator(street)
    start_agents(street)


def start_agents(street: Street) -> None:
    """Start every home's agent."""
    for home in street.homes:
        start_agent(street, home)


def start_meters(street: Street) -> None:
    """Start the simulator; returns when every meter answers."""
    street.map_file.unlink(missing_ok=True)
    plan = street.plan
    arguments = ["street", "--homes", str(plan.homes), "--seed", str(plan.seed)]
    arguments += ["--start", str(street.start), "--map", str(street.map_file)]
    arguments += ["--port", str(plan.meter_port)]
    if plan.replay is not None:
        arguments += ["--replay", str(plan.replay), "--row", str(plan.row)]
    start(street, "sim", sim_main(), arguments)
    until(
        street.map_file.exists, street.processes, READY_WITHIN_S, "the street of meters"
    )


def start_aggregator(street: Street, *, wait: bool = True) -> None:
    """Start the aggregator; returns when it is ready to serve unless told not to wait."""
    config = str(street.plan.folder / "aggregator.toml")
    start(street, "aggregator", aggregator_main(), ["serve", "--config", config])
    if wait:
        ready = street.api.ready
        until(ready, street.processes, READY_WITHIN_S, "the aggregator's start")


def start_agent(street: Street, home: int) -> None:
    """Start one home's agent."""
    arguments = ["run", "--config", _agent_config(street, home)]
    start(street, agent_name(home), agent_main(), arguments)


def agent_name(home: int) -> str:
    """The agent's name in topics, certificates and log files."""
    return f"home-{home:02d}"


def aggregate(street: Street, *arguments: str, timeout_s: float = 60) -> str:
    """Run an aggregator command to its end; returns what it printed.

    Raises Failed when it exits above 0.
    """
    name = arguments[0]
    config = str(street.plan.folder / "aggregator.toml")
    log = street.processes.log(name)
    log.unlink(missing_ok=True)
    program = Program(
        name, aggregator_main(), (*arguments, "--config", config), clock(street)
    )
    street.processes.run(program, timeout_s)
    return log.read_text()


def registers(street: Street, at: int) -> dict[str, dict[str, int]]:
    """What each meter's registers show, or will, at a second: Wh by serial and direction."""
    processes = street.processes
    processes.log("registers").unlink(missing_ok=True)
    arguments = ("registers", "--map", str(street.map_file), "--at", str(at))
    processes.run(Program("registers", sim_main(), arguments), READY_WITHIN_S)
    shown: dict[str, dict[str, int]] = json.loads(
        Path(processes.log("registers")).read_text()
    )["registers"]
    return shown


def agent_main() -> Main:
    """The agent's entry point, imported once in the parent."""
    from meterseal_agent.cli import main

    return main


def aggregator_main() -> Main:
    """The aggregator's entry point."""
    from meterseal_aggregator.cli import main

    return main


def sim_main() -> Main:
    """The simulator's entry point; its heavy libraries load in the child."""
    from meterseal_sim.cli import main

    return main


def start(street: Street, name: str, main: Main, arguments: list[str]) -> None:
    """Start a program by the street's clock."""
    street.processes.start(Program(name, main, tuple(arguments), clock(street)))


def clock(street: Street) -> tuple[tuple[str, str], ...]:
    """Return the variables by which a program keeps the street's time."""
    if street.rate == ClockRate():
        return ()
    return environment({VARIABLE: f"{street.rate.epoch!r},{street.rate.speed!r}"})


def _code(street: Street, home: int) -> str:
    meter = street.meters[home]
    said = aggregate(
        street, "enrol", "--json", "--agent", agent_name(home), "--member", f"Home {home}",
        "--point", f"point-{home:02d}", "--capacity-w", str(meter["capacity_w"]),
        "--certified-w", str(meter["capacity_w"]),
    )  # fmt: skip
    try:
        return str(json.loads(said.splitlines()[-1])["code"])
    except (ValueError, KeyError, IndexError):
        raise Failed(f"no one-time code in what enrol said:\n{said}") from None


def _agent_config(street: Street, home: int) -> str:
    return str(street.plan.folder / f"agent-{home:02d}.toml")


def _write_agent_config(street: Street, home: int) -> None:
    meter, plan = street.meters[home], street.plan
    Path(_agent_config(street, home)).write_text(
        f'data_dir = "{street.agent_folder(home)}"\n'
        f'aggregator_url = "http://127.0.0.1:{plan.api_port}"\n'
        "assume_clock = true\n"
        'log_level = "warning"\n'
        f"{plan.agent_more}"
        "[[meters]]\n"
        f'serial = "{meter["serial"]}"\n'
        f'profile = "{meter["profile"]}"\n'
        f'host = "{meter["host"]}"\n'
        f"port = {meter['port']}\n"
        f"unit = {meter['unit']}\n"
        f"capacity_w = {meter['capacity_w']}\n"
        f"period_s = {plan.poll_s}\n"
        f"lateness_limit_s = {plan.lateness_s}\n"
        f"{plan.meter_more}"
    )


def _write_aggregator_config(street: Street) -> None:
    plan = street.plan
    broker = ""
    if street.broker is not None:
        broker = (
            f'broker_url = "{street.broker.url}"\nusername = "meterseal.aggregator"\n'
        )
    (plan.folder / "aggregator.toml").write_text(
        f'network = "{plan.network}"\ndata_dir = "{plan.folder / "aggregator"}"\ndemo = true\n'
        f'log_level = "warning"\n{plan.network_more}'
        f"[web]\nport = {plan.api_port}\n"
        f"[mqtt]\nport = {plan.mqtt_port}\n{broker}"
        "[jobs]\nsequence_s = 0.5\nvee_s = 0.5\nmint_s = 1.0\nanchor_s = 5.0\n"
        "market_s = 0.5\nsettle_s = 1.0\npack_s = 1.0\nbill_s = 1.0\ncollect_s = 1.0\n"
        f"{plan.chain_more}"
    )
