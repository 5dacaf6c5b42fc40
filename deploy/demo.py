"""`make demo`: a street's day from register to credit, and a proof to check offline.

Meters, agents and aggregator run as children of this process on loopback; a day passes in
about a minute. Then one table says whether the equation holds: Wh by the meters' registers
= Wh accepted = credits + imports + export refused for a stated cause. One evidence bundle
is verified offline, the audit runs, and the API stays up until Ctrl-C (ONCE=1 ends instead).
WITH=private adds a street that tells nobody its usage, WITH=chain a devnet for log, meters
and energy, and the contracts' every duty; WITH=private,chain adds both.
It must never make up a number: each is read from the part that is responsible for it.
"""

import contextlib
import os
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

from deploy import billing, market_outcome, outcome
from deploy.broker import Broker, mosquitto
from deploy.freeport import free_port, free_ports
from deploy.market import Day, agree
from deploy.processes import Failed, Processes, until
from deploy.street import DAY_S, Plan, Street, aggregate, begin_day, enrol, found

if TYPE_CHECKING:
    from deploy.chain import Chain

DEFAULT_API_PORT: Final = 8080
PATIENCE_S: Final = 180.0
"""How long after the day's end the last receipt may take before something is wrong."""
PROGRESS_S: Final = 5.0
NO_CHAIN: Final = """
*** WITHOUT THE CHAIN: {lacks}.
*** The log is anchored in a file, which PROVES NOTHING, and nothing is on any chain.
*** The plain demo follows.
"""
KNOWN: Final = frozenset({"private", "chain"})
"""What WITH may add."""


class Misuse(Exception):
    """The demo was asked for something it cannot do; one sentence says what to change."""


@dataclass(frozen=True, slots=True)
class Options:
    """What `make demo` was told, by variables."""

    once: bool
    replay: Path | None
    row: int
    broker: bool
    homes: int
    speed: float
    seed: int
    port: int
    report: Path | None
    private: bool = False
    chain: bool = False

    @classmethod
    def read(cls, variables: Mapping[str, str]) -> "Options":
        """Return the options; raises Misuse naming the variable that is wrong."""
        replay = Path(variables["REPLAY"]) if variables.get("REPLAY") else None
        if replay is not None and not replay.is_file():
            raise Misuse(f"REPLAY={replay}: there is no such file")
        if variables.get("BROKER", "") not in ("", "mosquitto"):
            raise Misuse(f"BROKER={variables['BROKER']}: only mosquitto is known")
        more = [one for one in variables.get("WITH", "").split(",") if one]
        if not set(more) <= KNOWN:
            raise Misuse(f"WITH={variables['WITH']}: only private and chain are known")
        return cls(
            once=variables.get("ONCE", "") not in ("", "0"),
            replay=replay,
            row=int(_number(variables, "ROW", 0, 0)),
            broker=variables.get("BROKER") == "mosquitto",
            homes=int(_number(variables, "HOMES", 24, 1)),
            speed=_number(variables, "SPEED", 1440, 2),
            seed=int(_number(variables, "SEED", 1, 0)),
            port=int(_number(variables, "PORT", DEFAULT_API_PORT, 1)),
            report=Path(variables["REPORT"]) if variables.get("REPORT") else None,
            private="private" in more,
            chain="chain" in more,
        )


def _number(
    variables: Mapping[str, str], name: str, default: float, least: float
) -> float:
    text = variables.get(name) or str(default)
    try:
        value = float(text)
    except ValueError:
        raise Misuse(f"{name}={text}: write a number") from None
    if value < least:
        raise Misuse(f"{name}={text}: at least {least:g}")
    return value


def main() -> int:
    """Run the demo; returns 0 when every check held."""
    try:
        options = Options.read(os.environ)
        with tempfile.TemporaryDirectory(prefix="meterseal-demo-") as folder:
            return _run(options, Path(folder))
    except (Misuse, Failed) as trouble:
        print(f"demo: {trouble}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _run(options: Options, folder: Path) -> int:
    _need_port(options.port)
    began = time.monotonic()
    plan = Plan(
        folder, homes=options.homes, seed=options.seed, speed=options.speed,
        replay=options.replay, row=options.row,
        api_port=options.port, mqtt_port=free_port(),
        meter_port=free_ports(options.homes),
    )  # fmt: skip
    with _broker(options) as broker, Processes(folder / "logs") as processes:
        chain = _chain(options, folder / "chain", processes)
        start = (int(time.time()) // DAY_S + 1) * DAY_S
        street = Street(chain.plan(plan) if chain else plan, processes, broker, start)
        _say(
            f"Setting up {options.homes} homes: meters, keys, certificates, enrolment ..."
        )
        found(street)
        if chain is not None:
            chain.found(street)
        enrol(street, _say)
        if chain is not None:
            chain.join(street)
        supplied = billing.supply(street, (), chain.homes[:1] if chain else ())
        day = agree(street, _say, chain.homes if chain else ())
        begin_day(street)
        set_up_s = time.monotonic() - began
        result, traded = _day(street, day, options)
        _say(outcome.table(result, seconds=time.monotonic() - began))
        trades_hold = traded is None or _shown(traded)
        bills_hold = billing.bills(supplied, day.people if day else {}, _say)
        if options.report is not None:
            options.report.write_text(result.to_json())
        if not (_checked(street, result, chain) and trades_hold and bills_hold):
            return 1
        if chain is not None:
            left_s = time.monotonic() - began - set_up_s
            _say(f"  seconds: {set_up_s:.0f} of set-up, and {left_s:.0f} after it")
        if options.private and not _private(options, folder / "private"):
            _say("A private figure is not right: this is a bug, please report it")
            return 1
        if not options.once:
            _stay(street)
    return 0


def _day(
    street: Street, day: Day | None, options: Options
) -> tuple[outcome.Outcome, market_outcome.Traded | None]:
    """Let the day pass, and wait until the books are closed; returns its sums."""
    shown = options.replay.name if options.replay else "sun and households by seed"
    _say(
        f"A day of {len(street.meters)} homes ({shown}), {options.speed:g} times as fast as life"
    )
    _watch_the_day(street)
    _say(
        "The day is over and receipted; the meters go silent, the books are closed ..."
    )
    _silence(street)
    return _settle(street, day)


def _shown(traded: market_outcome.Traded) -> bool:
    """Show the day of trades; returns whether it came out."""
    _say(market_outcome.table(traded))
    if not traded.holds:
        _say("The trades do not come out: this is a bug, please report it")
    return traded.holds


def _checked(street: Street, result: outcome.Outcome, chain: "Chain | None") -> bool:
    """Hold every part to every other; returns whether all agree, and says what does not."""
    agrees = chain is None or chain.finish(street)
    if not agrees:
        _say("Chain and books DIFFER, as marked above: this is a bug, please report it")
    asked = chain.asked(street) if chain else ()
    good = result.holds and outcome.verify_one(street, _say, asked)
    _say(aggregate(street, "audit").rstrip())
    if not good:
        _say("The equation does not hold: this is a bug, please report it")
    return good and agrees


def _chain(options: Options, folder: Path, processes: Processes) -> "Chain | None":
    """Start a devnet where one was asked for; says loudly what lacks where none can be."""
    if not options.chain:
        return None
    from deploy.devnet import missing

    lacks = missing()
    if lacks is not None:
        _say(NO_CHAIN.format(lacks=lacks))
        return None
    from deploy.chain import start

    return start(processes, folder, free_port(), _say)


def _private(options: Options, folder: Path) -> bool:
    """Rehearse a street that tells nobody its usage, beside the one that stays up."""
    from deploy import private
    from deploy.private_street import HOMES, SPEED, midnight_after

    folder.mkdir()
    _say(f"\nA second street, of {HOMES} homes: it publishes commitments and no usage")
    now = int(time.time())
    start, zone = midnight_after(now)
    plan = Plan(
        folder, homes=HOMES, seed=options.seed,
        speed=min(options.speed, SPEED), lead_s=start - now,
        api_port=free_port(), mqtt_port=free_port(), meter_port=free_ports(HOMES),
        network="private-street",
    )  # fmt: skip
    with Processes(folder / "logs") as processes:
        street = Street(plan, processes, None, start)
        return private.rehearse(street, zone, free_ports(3), _say)


def _watch_the_day(street: Street) -> None:
    """Print progress until the day is receipted; raises Failed when something is wrong."""
    shown = time.monotonic()

    def over() -> bool:
        nonlocal shown
        if time.monotonic() - shown > PROGRESS_S:
            shown = time.monotonic()
            _say(outcome.progress(street))
        return outcome.day_is_receipted(street)

    left_s = (street.end - street.now()) / street.plan.speed
    try:
        until(
            over, street.processes, left_s + PATIENCE_S, "the end of the street's day"
        )
    except Failed as failed:
        raise Failed(f"{failed}\n{outcome.laggards(street)}") from None


def _silence(street: Street) -> None:
    """Stop the meters, so that what was sealed and what was accepted are one number."""
    street.processes.stop("sim")
    for over, what in (
        (outcome.meters_are_missed, "the meters' silence to be noticed"),
        (outcome.drained, "the last receipt"),
    ):
        # A status says when it was begun, and its figures are some of them older.
        until(partial(over, street, street.now()), street.processes, PATIENCE_S, what)


def _settle(
    street: Street, day: Day | None
) -> tuple[outcome.Outcome, market_outcome.Traded | None]:
    """Wait until the background duties are through with the day; returns its sums."""
    deadline = time.monotonic() + outcome.SETTLED_WITHIN_S
    while True:
        open_trades = day is not None and not market_outcome.settled(day)
        traded = market_outcome.gather(day) if day is not None else None
        found = outcome.gather(street, traded.fed_in_wh if traded else 0)
        late = time.monotonic() >= deadline
        if late or (found.settled and found.told and not open_trades):
            return found, traded
        street.processes.check()
        time.sleep(0.5)


def _need_port(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            raise Misuse(
                f"port {port} is taken; choose another: make demo PORT={port + 1}"
            ) from None


@contextlib.contextmanager
def _broker(options: Options) -> Iterator[Broker | None]:
    if not options.broker:
        yield None
        return
    path = mosquitto()
    if path is None:
        raise Misuse("Mosquitto is not installed: sudo apt install -y mosquitto")
    with Broker(path) as broker:
        yield broker


def _stay(street: Street) -> None:
    token = street.plan.folder / "operator.token"
    _say(
        f"The API stays up at {street.api.url}/v1 (operator's token in {token}); Ctrl-C ends"
    )
    until(lambda: False, street.processes, float("inf"), "Ctrl-C")


def _say(text: str) -> None:
    print(text, flush=True)


def _interrupted(_number: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _interrupted)
    sys.exit(main())
