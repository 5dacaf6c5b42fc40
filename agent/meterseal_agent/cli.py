"""The command line: meterseal-agent enrol, replace, check, run, show.

For the installer at the wall and for systemd. It prints what happened in whole
sentences and exits 0, or 1 with one sentence that says what to do. It must never print
a secret but the recovery sheet, once, to a terminal. Programs are imported inside their
command.
"""

import argparse
import logging
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from meterseal_agent.config import Config, ConfigError, load

DEFAULT_CONFIG: Final = "/etc/meterseal/agent.toml"
PATIENCE_S: Final = 120
"""How long enrolment waits for the meters: somebody is still wiring."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    options = _parser().parse_args(arguments)
    try:
        config = load(Path(options.config), os.environ)
        _log_to_stderr(config.log_level)
        command: Callable[[Config, argparse.Namespace], int] = options.command
        return command(config, options)
    except ImportError as error:
        return _fail(f"{error}; install this role: pip install 'meterseal[agent]'")
    except ConfigError as error:
        return _fail(str(error))
    except KeyboardInterrupt:
        return 130


def _fail(why: str) -> int:
    print(f"meterseal-agent: {why}", file=sys.stderr)
    return 1


def _enrol(config: Config, options: argparse.Namespace) -> int:
    from meterseal_agent.commissioning.sheet import Handover
    from meterseal_agent.run import commands

    wish = commands.Wish(
        code=options.code,
        patience_s=options.patience,
        handover=Handover(_path(options.sheet), terminal=sys.stdout.isatty()),
        restore=_path(getattr(options, "secret_file", None)),
    )
    return commands.enrol(config, wish, say=print)


def _path(text: str | None) -> Path | None:
    return Path(text) if text else None


def _check(config: Config, _options: argparse.Namespace) -> int:
    from meterseal_agent.run import commands

    return commands.check(config, say=print)


def _run(config: Config, _options: argparse.Namespace) -> int:
    from meterseal_agent.run import commands

    return commands.run(config, say=print)


def _show(config: Config, options: argparse.Namespace) -> int:
    from meterseal_agent.run import show

    return show.show(config.data_dir, as_json=options.json, say=print)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="meterseal-agent",
        description="Reads meters, seals every interval, keeps it until it is receipted.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, command, text in (
        ("enrol", _enrol, "enrol this agent and its meters with a one-time code"),
        ("replace", _enrol, "take over the meters of an agent that died"),
        ("check", _check, "try configuration, keys, meters and broker; change nothing"),
        ("run", _run, "run until stopped"),
        ("show", _show, "print status, outbox depth, heads and alarms"),
    ):
        sub = commands.add_parser(name, help=text, description=text)
        sub.set_defaults(command=command)
        sub.add_argument(
            "--config", default=DEFAULT_CONFIG, help="TOML file (%(default)s)"
        )
        if name in {"enrol", "replace"}:
            sub.add_argument("--code", required=True, help="the one-time code")
            sub.add_argument(
                "--patience",
                type=int,
                default=PATIENCE_S,
                help="seconds to wait for the meters (%(default)s)",
            )
            sub.add_argument(
                "--sheet",
                metavar="FILE",
                help="write the recovery sheet to a new file, not to the terminal",
            )
        if name == "replace":
            sub.add_argument(
                "--secret-file", help="the recovery sheet, or its 64 digits, in a file"
            )
        if name == "show":
            sub.add_argument("--json", action="store_true", help="the whole document")
    return parser


def _log_to_stderr(level: str) -> None:
    logging.basicConfig(
        level=level.upper(),
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
        stream=sys.stderr,
    )
    # The bus tells what is wrong with a meter, once; pymodbus would at every try.
    logging.getLogger("pymodbus").setLevel(logging.CRITICAL)


if __name__ == "__main__":
    sys.exit(main())
