"""The command line: meterseal-aggregator serve, migrate, enrol, token, audit and more.

For the operator and for systemd. It prints whole sentences and exits 0, or 1 with one
sentence that says what to do. It must never print a secret but the code or token it was
asked to make. Programs are imported inside their command.
"""

import argparse
import asyncio
import json
import logging
import os
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from meterseal_aggregator.app.house import House
    from meterseal_aggregator.config import Config

DEFAULT_CONFIG: Final = Path("/etc/meterseal/aggregator.toml")
DEFAULT_CAPACITY_W: Final = 25_000
"""A house connection of 3 x 35 A; more must be said."""

Command = Callable[["House", argparse.Namespace], Awaitable[int]]


Plain = Callable[[argparse.Namespace], int]
"""A command that needs no configuration and no database."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status. What it writes is its owner's alone."""
    os.umask(0o077)
    try:
        options = _parser().parse_args(arguments)
        plain: Plain | None = getattr(options, "plain", None)
        return _run(options) if plain is None else plain(options)
    except ImportError as error:
        return _fail(f"{error}; install this role: pip install 'meterseal[aggregator]'")
    except KeyboardInterrupt:
        return 130


def _run(options: argparse.Namespace) -> int:
    from meterseal_aggregator.config import ConfigError, load
    from meterseal_aggregator.identity.model import NameTaken, TokenRefused
    from meterseal_aggregator.parameters.store import ParameterRefused
    from meterseal_aggregator.registry.model import Refused as RegistryRefused
    from meterseal_aggregator.stacks.anchors.job import Refused as AnchorRefused
    from meterseal_aggregator.translog.store import Rotten
    from meterseal_proto.errors import Unavailable

    theirs = (
        ConfigError, NameTaken, TokenRefused, ParameterRefused, RegistryRefused,
        AnchorRefused,
    )  # fmt: skip
    try:
        path = options.config
        if path is None:
            path = DEFAULT_CONFIG if DEFAULT_CONFIG.exists() else None
        config = load(path)
        _log_to_stderr(config.log_level)
        return asyncio.run(_open_and_do(config, options))
    except (*theirs, Unavailable, Rotten) as error:
        return _fail(str(error))


async def _open_and_do(config: "Config", options: argparse.Namespace) -> int:
    from meterseal_aggregator.app.house import open_house

    upgrade = options.migrate or config.demo
    async with open_house(config, upgrade=upgrade) as house:
        command: Command = options.command
        return await command(house, options)


async def _serve(house: "House", _options: argparse.Namespace) -> int:
    from meterseal_aggregator.app.serve import serve

    await serve(house, lambda line: print(line, flush=True))
    return 0


async def _migrate(house: "House", _options: argparse.Namespace) -> int:
    print(f"the database {house.config.database} is up to date")
    return 0


async def _enrol(house: "House", options: argparse.Namespace) -> int:
    from dataclasses import asdict

    from meterseal_aggregator.app.deeds import EnrolRequest, enrol
    from meterseal_aggregator.registry.model import CodeKind

    made = await enrol(
        house,
        EnrolRequest(
            member=options.member,
            point=options.point or options.member,
            agent=options.agent,
            capacity_w=options.capacity_w,
            certified_w=options.certified_w,
            from_at=options.from_at,
            valid_s=options.valid_h * 3600,
            kind=CodeKind.REPLACEMENT if options.replacement else CodeKind.ENROLMENT,
        ),
    )
    if options.json:
        print(json.dumps(asdict(made)))
    else:
        print(f"member {made.member_id}, meter point {made.meter_point_id}")
        print(f"one-time code for agent {made.agent}: {made.code}")
        command = "replace" if options.replacement else "enrol"
        print(f"on the agent: meterseal-agent {command} --code {made.code}")
    return 0


async def _token(house: "House", options: argparse.Namespace) -> int:
    from meterseal_aggregator.app.deeds import TokenRequest, make_token
    from meterseal_aggregator.identity.model import Role

    label = options.label or options.role
    wish = TokenRequest(Role(options.role), options.member, label, options.days)
    token = await make_token(house, wish)
    print(json.dumps({"token": token, "role": options.role}) if options.json else token)
    return 0


async def _certificate(house: "House", options: argparse.Namespace) -> int:
    from meterseal_aggregator.app.deeds import issue_certificate

    await issue_certificate(house, options.name, options.out, server=options.server)
    print(f"{options.out} holds a key and its certificate of the device CA")
    return 0


async def _parameter(house: "House", options: argparse.Namespace) -> int:
    from meterseal_aggregator.app.deeds import set_parameter
    from meterseal_aggregator.parameters.model import PARAMETERS, Name

    name = Name(options.name)
    value: int | str = options.value
    if isinstance(PARAMETERS[name].default, int):
        try:
            value = int(options.value)
        except ValueError:
            return _fail(f"{name.value} is a whole number, not {options.value!r}")
    begin = await set_parameter(house, name, value, options.from_at)
    print(f"{name.value} is {value} from {begin} on")
    return 0


async def _audit(house: "House", options: argparse.Namespace) -> int:
    from dataclasses import asdict

    from meterseal_aggregator.app.audit import audit, audit_chain

    found = await audit(house)
    if options.node:
        found += await audit_chain(house)
    if options.json:
        print(json.dumps([asdict(finding) for finding in found]))
    else:
        # What fails comes last, where whoever scrolled by still sees it.
        for finding in sorted(found, key=lambda one: not one.ok):
            verdict = "holds" if finding.ok else "FAILS"
            print(f"invariant {finding.invariant:2} {verdict}: {finding.detail}")
    return 0 if all(finding.ok for finding in found) else 1


async def _mint(house: "House", _options: argparse.Namespace) -> int:
    from meterseal_aggregator.app.duties import credit, validate

    checked = await validate(house)
    decided = await credit(house)
    print(f"{checked} readings assessed, {decided} slots decided")
    return 0


async def _anchor(house: "House", _options: argparse.Namespace) -> int:
    from meterseal_aggregator.app.drive import drive
    from meterseal_aggregator.app.duties import anchor, sequence

    added = await sequence(house)
    done = await anchor(house)
    if await drive(house):
        done += await anchor(house)
    if house.config.stacks is not None:
        print(f"{added} entries integrated, {done} anchor deep in the chain")
        return 0
    print(
        f"{added} entries integrated, {done} anchor written to {house.config.anchors}"
    )
    print("the file publisher proves nothing: the operator can rewrite the file")
    return 0


async def _chain(house: "House", _options: argparse.Namespace) -> int:
    from meterseal_aggregator.app.chainreport import report

    for line in await report(house):
        print(line)
    return 0


async def _fsck(house: "House", _options: argparse.Namespace) -> int:
    from meterseal_aggregator.translog.fsck import check

    async with house.database.reading() as tx:
        report = await check(tx, house.keys.log.vkey)
    if report.difference is not None:
        return _fail(report.difference)
    print(f"{report.entries} entries, {report.checkpoints} checkpoints: no difference")
    return 0


def _price(options: argparse.Namespace) -> int:
    from meterseal_aggregator.app.pricing import NotPriced
    from meterseal_aggregator.app.pricingwish import answer

    try:
        print(answer(options))
    except NotPriced as error:
        return _fail(str(error))
    return 0


def _fail(why: str) -> int:
    print(f"meterseal-aggregator: {why}", file=sys.stderr)
    return 1


def _parser() -> argparse.ArgumentParser:
    from meterseal_aggregator.app.pricingwish import add_options

    parser = argparse.ArgumentParser(
        prog="meterseal-aggregator",
        description="Checks seals, keeps the log, mints credits, answers the API.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, command, text in (
        ("serve", _serve, "run until stopped"),
        ("migrate", _migrate, "bring the database up to date"),
        ("enrol", _enrol, "prepare a home and print its agent's one-time code"),
        ("token", _token, "make a bearer token for the API and print it"),
        ("certificate", _certificate, "issue a certificate for a broker or ourselves"),
        ("parameter", _parameter, "set an effective-dated parameter of the network"),
        ("audit", _audit, "evaluate every invariant; exits 1 when one fails"),
        ("mint", _mint, "validate and mint what is final, now"),
        ("anchor", _anchor, "sign the log's head and publish it, now"),
        ("chain", _chain, "tell what we do on the chain, what is stuck, what to do"),
        ("fsck", _fsck, "re-derive the whole log and name the first difference"),
    ):
        sub = commands.add_parser(name, help=text, description=text)
        sub.set_defaults(command=command, migrate=name == "migrate")
        sub.add_argument(
            "--config", type=Path, help=f"TOML file ({DEFAULT_CONFIG} if it exists)"
        )
        if name in _OPTIONS:
            _OPTIONS[name](sub)
    text = "price a year of hourly usage at a tariff; needs no configuration"
    sub = commands.add_parser("price", help=text, description=text)
    sub.set_defaults(plain=_price)
    add_options(sub)
    return parser


def _serve_options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument(
        "--migrate", action="store_true", help="bring the database up to date first"
    )


def _enrol_options(sub: argparse.ArgumentParser) -> None:
    from meterseal_aggregator.registry.model import CODE_VALID_S

    sub.add_argument("--member", required=True, help="the member's name; made if new")
    sub.add_argument("--point", help="the meter point's name (the member's name)")
    sub.add_argument("--agent", required=True, help="the agent's name, in topics")
    sub.add_argument(
        "--capacity-w",
        type=_watts,
        default=DEFAULT_CAPACITY_W,
        help="most plausible power of its meters (%(default)s)",
    )
    sub.add_argument(
        "--certified-w", type=_watts, help="certify the producer: only then it mints"
    )
    sub.add_argument(
        "--from",
        dest="from_at",
        type=_second,
        help="Unix second the tenancy begins (last midnight UTC)",
    )
    sub.add_argument(
        "--valid-h",
        type=_hours,
        default=CODE_VALID_S // 3600,
        help="hours the code lives (%(default)s)",
    )
    sub.add_argument(
        "--replacement", action="store_true", help="a code to replace a dead agent"
    )
    sub.add_argument("--json", action="store_true", help="one JSON object")


def _token_options(sub: argparse.ArgumentParser) -> None:
    from meterseal_aggregator.identity.model import TOKEN_VALID_S, Role

    sub.add_argument("--role", required=True, choices=[role.value for role in Role])
    sub.add_argument("--member", help="the member's name, with role member")
    sub.add_argument("--label", help="what it is for (the role)")
    days = TOKEN_VALID_S // 86_400
    sub.add_argument("--days", type=int, default=days, help="(%(default)s)")
    sub.add_argument("--json", action="store_true", help="one JSON object")


def _certificate_options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument(
        "name", help="DNS name or address of a server, else a client's name"
    )
    sub.add_argument("--server", action="store_true", help="for a broker's TLS")
    sub.add_argument("--out", type=Path, required=True, help="PEM file to write")


def _parameter_options(sub: argparse.ArgumentParser) -> None:
    from meterseal_aggregator.parameters.model import Name

    sub.add_argument("name", choices=[name.value for name in Name])
    sub.add_argument("value")
    sub.add_argument(
        "--from", dest="from_at", type=_second, help="Unix second it holds from (now)"
    )


def _json_option(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--json", action="store_true", help="one JSON array")


def _audit_options(sub: argparse.ArgumentParser) -> None:
    _json_option(sub)
    help_text = "also ask the nodes of [stacks] what the contracts hold"
    sub.add_argument("--node", action="store_true", help=help_text)


_OPTIONS: Final = {
    "serve": _serve_options,
    "enrol": _enrol_options,
    "token": _token_options,
    "certificate": _certificate_options,
    "parameter": _parameter_options,
    "audit": _audit_options,
}


def _watts(text: str) -> int:
    return _number(text, 1, 100_000_000)


def _hours(text: str) -> int:
    return _number(text, 1, 24 * 366)


def _second(text: str) -> int:
    return _number(text, 0, 1 << 40)


def _number(text: str, low: int, high: int) -> int:
    if not (text.isascii() and text.isdigit() and low <= int(text) <= high):
        raise argparse.ArgumentTypeError(f"write a whole number of {low} to {high}")
    return int(text)


def _log_to_stderr(level: str) -> None:
    """Log one JSON object a line; uvicorn's and other libraries' lines join as text."""
    import structlog

    logging.basicConfig(level="WARNING", stream=sys.stderr)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(default=str),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[level.upper()]
        ),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
