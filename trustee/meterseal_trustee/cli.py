"""The command line: meterseal-trustee init, serve, check, rosters, countersign, log, audit.

For the organisation that runs a trustee, and for systemd. It prints whole sentences and
exits 0, or 1 with one sentence that says what to do. It must never print a secret.
Programs are imported inside their command.
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
    from meterseal_trustee.app import Trustee
    from meterseal_trustee.config import Config

DEFAULT_CONFIG: Final = Path("/etc/meterseal/trustee.toml")

Command = Callable[["Trustee", argparse.Namespace], Awaitable[int]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status. What it writes is its owner's alone."""
    os.umask(0o077)
    try:
        return _run(_parser().parse_args(arguments))
    except ImportError as error:
        return _fail(f"{error}; install this role: pip install 'meterseal[trustee]'")
    except KeyboardInterrupt:
        return 130


def _run(options: argparse.Namespace) -> int:
    from meterseal_proto.errors import Unavailable
    from meterseal_trustee.config import ConfigError, load
    from meterseal_trustee.rules import Refused

    try:
        path = options.config
        if path is None:
            path = DEFAULT_CONFIG if DEFAULT_CONFIG.exists() else None
        config = load(path)
        _log_to_stderr(config.log_level)
        if options.closed:
            return int(options.command(config))
        return asyncio.run(_open_and_do(config, options))
    except (ConfigError, Refused, Unavailable) as error:
        return _fail(str(error))


def _init(config: "Config") -> int:
    from meterseal_trustee.app import cosigner, initialise

    secrets, made = initialise(config)
    key = secrets.public
    print("keys were made" if made else "the keys were here already, and stand")
    print(f"keys:        {key.text()}")
    print(f"fingerprint: {key.fingerprint()}")
    print(f"witness:     {cosigner(config, secrets).public.vkey}")
    print(f"chain:       {secrets.chain_public.hex()}")
    print(f"back up {config.data_dir / 'keys'}: without it no seed can be opened")
    return 0


def _check(config: "Config") -> int:
    from meterseal_trustee.app import DATABASE, cosigner, prepared

    settings, secrets = prepared(config)
    print(f"trustee {secrets.public.number} of network {settings.network.hex()}")
    for key in settings.trustees:
        print(f"trustee {key.number}: {key.fingerprint()}")
    print(f"witness {cosigner(config, secrets).public.vkey}")
    print(f"of log {config.log_key}" if config.log_key else "of no log: give log_key")
    there = (config.data_dir / DATABASE).exists()
    print("configuration and keys fit")
    print("the database is there" if there else "the first serve makes the database")
    return 0


async def _open_and_do(config: "Config", options: argparse.Namespace) -> int:
    from meterseal_trustee.app import open_trustee

    async with open_trustee(config) as trustee:
        command: Command = options.command
        return await command(trustee, options)


async def _serve(trustee: "Trustee", _options: argparse.Namespace) -> int:
    from meterseal_trustee.app import serve

    await serve(trustee, lambda line: print(line, flush=True))
    return 0


async def _rosters(trustee: "Trustee", _options: argparse.Namespace) -> int:
    from meterseal_proto.reporting import quarter_text
    from meterseal_trustee import store

    async with trustee.database.transaction() as tx:
        waiting = await store.waiting(tx)
        found = [await store.proposal(tx, trustee.settings.network, h) for h in waiting]
    for roster in found:
        if roster is None:
            continue
        quarter, count = quarter_text(roster.quarter), len(roster.members)
        print(f"{roster.hash().hex()}: cell {roster.cell}, {quarter}, {count} meters")
        for meter, key in sorted(roster.members.items(), key=lambda row: row[0]):
            print(f"  meter {meter.hex()}  key {key.raw.hex()}")
    print(f"{len(found)} rosters wait to be countersigned")
    return 0


async def _countersign(trustee: "Trustee", options: argparse.Namespace) -> int:
    found = await trustee.desk().countersign(options.roster)
    print(f"roster {found.roster.hex()} is countersigned")
    return 0


async def _log(trustee: "Trustee", options: argparse.Namespace) -> int:
    from meterseal_trustee import store

    async with trustee.database.transaction() as tx:
        entries = await store.entries(tx, options.after)
    for entry in entries:
        said = {"seq": entry.seq, "at": entry.at, "act": entry.act}
        print(json.dumps(said | json.loads(entry.body) | {"hash": entry.hash.hex()}))
    return 0


async def _audit(trustee: "Trustee", _options: argparse.Namespace) -> int:
    from meterseal_trustee.audit import audit

    found = await audit(
        trustee.settings, trustee.secrets, trustee.database, trustee.now()
    )
    for finding in found:
        verdict = "holds" if finding.ok else "FAILS"
        print(f"{verdict}: {finding.law}: {finding.detail}")
    return 0 if all(finding.ok for finding in found) else 1


def _fail(why: str) -> int:
    print(f"meterseal-trustee: {why}", file=sys.stderr)
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="meterseal-trustee",
        description="Keeps mask seeds and answers with sums of many meters only.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, command, text in (
        ("init", _init, "make the keys and print what others must pin"),
        ("serve", _serve, "run until stopped"),
        ("check", _check, "see whether configuration and keys fit; writes nothing"),
        ("rosters", _rosters, "show the rosters that wait for a person"),
        ("countersign", _countersign, "say that a waiting roster is true"),
        ("log", _log, "print everything that was signed and answered"),
        ("audit", _audit, "derive all of it again; exits 1 when something differs"),
    ):
        sub = commands.add_parser(name, help=text, description=text)
        sub.set_defaults(command=command, closed=name in ("init", "check"))
        sub.add_argument(
            "--config", type=Path, help=f"TOML file ({DEFAULT_CONFIG} if it exists)"
        )
        if name == "countersign":
            sub.add_argument("roster", type=_digest, help="its hash, 64 hex digits")
        if name == "log":
            sub.add_argument("--after", type=int, default=0, help="from this seq on")
    return parser


def _digest(text: str) -> bytes:
    try:
        found = bytes.fromhex(text)
    except ValueError:
        found = b""
    if len(found) != 32:
        raise argparse.ArgumentTypeError("write the roster's hash, 64 hex digits")
    return found


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
