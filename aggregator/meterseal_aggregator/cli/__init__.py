"""The command line: meterseal-aggregator serve, migrate, enrol, token, audit and more.

For the operator and for systemd. It prints whole sentences and exits 0, or 1 with one
sentence that says what to do. It must never print a secret but the code or token it was
asked to make. Programs are imported inside their command.
"""

import argparse
import asyncio
import logging
import os
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

from meterseal_aggregator.cli.commands import fail
from meterseal_aggregator.cli.options import DEFAULT_CONFIG, parser

if TYPE_CHECKING:
    from meterseal_aggregator.app.house import House
    from meterseal_aggregator.config import Config

Command = Callable[["House", argparse.Namespace], Awaitable[int]]


Plain = Callable[[argparse.Namespace], int]
"""A command that needs no configuration and no database."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status. What it writes is its owner's alone."""
    os.umask(0o077)
    try:
        options = parser().parse_args(arguments)
        plain: Plain | None = getattr(options, "plain", None)
        return _run(options) if plain is None else plain(options)
    except ImportError as error:
        return fail(f"{error}; install this role: pip install 'meterseal[aggregator]'")
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
        return fail(str(error))


async def _open_and_do(config: "Config", options: argparse.Namespace) -> int:
    from meterseal_aggregator.app.house import open_house

    upgrade = options.migrate or config.demo
    async with open_house(config, upgrade=upgrade) as house:
        command: Command = options.command
        return await command(house, options)


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
