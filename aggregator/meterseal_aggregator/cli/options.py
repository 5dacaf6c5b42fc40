"""The commands' words: names, options, what each of them may be. This module must never act."""

import argparse
from pathlib import Path
from typing import Final

from meterseal_aggregator.cli import commands, importing

DEFAULT_CONFIG: Final = Path("/etc/meterseal/aggregator.toml")
DEFAULT_CAPACITY_W: Final = 25_000
"""A house connection of 3 x 35 A; more must be said."""

_COMMANDS: Final = (
    ("serve", commands.serve, "run until stopped"),
    ("migrate", commands.migrate, "bring the database up to date"),
    ("enrol", commands.enrol, "prepare a home and print its agent's one-time code"),
    ("token", commands.token, "make a bearer token for the API and print it"),
    (
        "certificate",
        commands.certificate,
        "issue a certificate for a broker or ourselves",
    ),
    (
        "parameter",
        commands.parameter,
        "set an effective-dated parameter of the network",
    ),
    ("audit", commands.audit, "evaluate every invariant; exits 1 when one fails"),
    ("mint", commands.mint, "validate and mint what is final, now"),
    ("anchor", commands.anchor, "sign the log's head and publish it, now"),
    (
        "import",
        importing.import_file,
        "take a CSV of members and meter points over, or a meter's usage",
    ),
    (
        "chain",
        commands.chain,
        "tell what we do on the chain, what is stuck, what to do",
    ),
    (
        "fsck",
        commands.fsck,
        "re-derive the whole log and name the first difference",
    ),
)
"""Each command's name, what does it, and what it is for."""


def parser() -> argparse.ArgumentParser:
    """Return the parser of every command."""
    from meterseal_aggregator.app.pricingwish import add_options

    made = argparse.ArgumentParser(
        prog="meterseal-aggregator",
        description="Checks seals, keeps the log, mints credits, answers the API.",
    )
    subs = made.add_subparsers(required=True, metavar="COMMAND")
    for name, command, text in _COMMANDS:
        sub = subs.add_parser(name, help=text, description=text)
        sub.set_defaults(command=command, migrate=name == "migrate")
        sub.add_argument(
            "--config", type=Path, help=f"TOML file ({DEFAULT_CONFIG} if it exists)"
        )
        if name in _OPTIONS:
            _OPTIONS[name](sub)
    text = "price a year of hourly usage at a tariff; needs no configuration"
    sub = subs.add_parser("price", help=text, description=text)
    sub.set_defaults(plain=commands.price)
    add_options(sub)
    return made


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


def _import_options(sub: argparse.ArgumentParser) -> None:
    from meterseal_aggregator.billing.supplies.sheet import COLUMNS, REQUIRED

    sub.add_argument(
        "file",
        type=Path,
        help=f"CSV of UTF-8; its first line names columns of {', '.join(COLUMNS)}, in"
        f" any order, {' and '.join(REQUIRED)} among them. A row with both and a from,"
        " like 2026-11-01, is a tenancy; with a tariff's code it is a supply too."
        " rail is ledger or stacks, prepaid yes or no. With --green-button, the XML",
    )
    sub.add_argument(
        "--green-button",
        metavar="METER",
        type=_meter,
        help="the file is a Green Button file: usage of this meter, by its id in hex",
    )
    sub.add_argument("--dry-run", action="store_true", help="say what it would add")


_OPTIONS: Final = {
    "serve": _serve_options,
    "enrol": _enrol_options,
    "token": _token_options,
    "certificate": _certificate_options,
    "parameter": _parameter_options,
    "audit": _audit_options,
    "import": _import_options,
}


def _meter(text: str) -> bytes:
    from meterseal_proto.units import METER_ID_BYTES

    try:
        found = bytes.fromhex(text)
    except ValueError:
        found = b""
    if len(found) != METER_ID_BYTES:
        raise argparse.ArgumentTypeError(
            f"write a meter's id: {METER_ID_BYTES} bytes in hex"
        )
    return found


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
