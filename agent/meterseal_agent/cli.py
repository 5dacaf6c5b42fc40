"""The command line: a table of what an installer, a technician and systemd may ask.

It prints what happened in whole sentences and exits 0, or 1 with one sentence that says
what to do. It must never print a secret but the sheets, once each, to a terminal.
Programs are imported inside their command.
"""

import argparse
import logging
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from meterseal_agent.config import Config, ConfigError, load
from meterseal_agent.technician import arguments as given
from meterseal_agent.technician.complaint import Complaint
from meterseal_proto.errors import Unavailable

Options = argparse.Namespace
Parser = argparse.ArgumentParser


@dataclass(frozen=True, slots=True)
class Command:
    """One command: its help, its arguments, and what it does, which gives the status."""

    name: str
    text: str
    arguments: Callable[[Parser], None]
    act: Callable[[Options], int]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    options = parser().parse_args(arguments)
    # We tell what is wrong with a meter, once; pymodbus would at every try.
    logging.getLogger("pymodbus").setLevel(logging.CRITICAL)
    try:
        command: Command = options.command
        return command.act(options)
    except ImportError as error:
        return _fail(f"{error}; install this role: pip install 'meterseal[agent]'")
    except (ConfigError, Complaint, Unavailable) as error:
        return _fail(str(error))
    except BrokenPipeError:
        # Whoever read our output, head for instance, has seen enough.
        _say_no_more()
        return 1
    except OSError as error:
        _say_no_more()
        return _fail(f"the system refuses: {error.strerror or error}")
    except KeyboardInterrupt:
        return 130


def _say_no_more() -> None:
    """Let what is still in the output's buffer go nowhere: the output is gone or full."""
    # An output that is no file, as under a test, has nothing to lose.
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _fail(why: str) -> int:
    print(f"meterseal-agent: {why}", file=sys.stderr)
    return 1


def _enrol(options: Options) -> int:
    from meterseal_agent.commissioning.sheet import Handover
    from meterseal_agent.run import commands

    wish = commands.Wish(
        code=options.code,
        patience_s=options.patience,
        handover=Handover(
            _path(options.sheet), sys.stdout.isatty(), _path(options.shares)
        ),
        restore=_path(getattr(options, "secret_file", None)),
        shares=_paths(getattr(options, "share", None)),
    )
    return commands.enrol(_config(options), wish, say=print)


def _shares(options: Options) -> int:
    from meterseal_agent.run import commands

    return commands.shares(
        *(_config(options), Path(options.folder), _path(options.secret_file)),
        *(_paths(options.share),),
        say=print,
    )


def _path(text: str | None) -> Path | None:
    return Path(text) if text else None


def _paths(texts: Sequence[str] | None) -> tuple[Path, ...]:
    return tuple(map(Path, texts or ()))


def _restore_history(options: Options) -> int:
    from meterseal_agent.run import commands

    return commands.restore_history(_config(options), options.patience, say=print)


def _check(options: Options) -> int:
    from meterseal_agent.run import commands

    return commands.check(_config(options), say=print)


def _run(options: Options) -> int:
    from meterseal_agent.run import commands
    from meterseal_agent.run.reload import ConfigFile, usable

    file = ConfigFile(Path(options.config), os.environ)
    config = usable(file, print)
    _log_to_stderr(config.log_level)
    return commands.run(config, say=print, file=file)


def _show(options: Options) -> int:
    from meterseal_agent.run import show

    return show.show(_agents_folder(options), as_json=options.json, say=print)


def _top(options: Options) -> int:
    from meterseal_agent.technician.top import top

    return top(_agents_folder(options))


def _decode(options: Options) -> int:
    from meterseal_agent.technician.decode import decode

    status = decode(
        options.file, options.protocol, sys.stdin.buffer, write=sys.stdout.write
    )
    sys.stdout.flush()
    return status


def _scan(options: Options) -> int:
    from meterseal_agent.technician.scan import scan

    return scan(options, print)


def _identify(options: Options) -> int:
    from meterseal_agent.technician.identify import identify

    return identify(options, print)


def _registers(options: Options) -> int:
    from meterseal_agent.technician.registers import registers

    return registers(options, print)


def _address(options: Options) -> int:
    from meterseal_agent.technician.address import address

    return address(options, print)


def _wiring(options: Options) -> int:
    from meterseal_agent.technician.wiring import wiring

    return wiring(options, print)


def _compare(options: Options) -> int:
    from meterseal_agent.technician.compare import compare_all

    return compare_all(options, print)


def _loadstep(options: Options) -> int:
    from meterseal_agent.technician.loadstep import loadstep

    return loadstep(options, print)


def _quality(options: Options) -> int:
    from meterseal_agent.technician.quality import line_quality

    return line_quality(options, print)


def _dry_run(options: Options) -> int:
    from meterseal_agent.technician.dryrun import dry_run

    return dry_run(options, print)


def _status(options: Options) -> int:
    from meterseal_agent.technician.status import status

    return status(_agents_folder(options), print)


def _report(options: Options) -> int:
    from meterseal_agent.technician.report import report

    return report(options, print)


def _resident_pin(options: Options) -> int:
    from meterseal_agent.technician.resident import resident_pin

    return resident_pin(options, print)


def _bind(options: Options) -> int:
    from meterseal_agent.technician.bind import bind

    return bind(options, print)


def _open_on_chain(options: Options) -> int:
    from meterseal_agent.technician.open_on_chain import open_on_chain

    return open_on_chain(options, print)


def _config(options: Options) -> Config:
    """Load the configuration, and from then on tell what happens on stderr."""
    config = load(Path(options.config), os.environ)
    _log_to_stderr(config.log_level)
    return config


def _agents_folder(options: Options) -> Path:
    """Return the data_dir of an agent to be looked at.

    One whose file was broken while it ran goes on with the last good one: so do we, and
    say it on stderr.
    """
    from meterseal_agent.run.reload import ConfigFile, usable

    config = usable(ConfigFile(Path(options.config), os.environ), _warn)
    _log_to_stderr(config.log_level)
    return config.data_dir


def _warn(text: str) -> None:
    print(text, file=sys.stderr)


COMMANDS: Final = (
    Command(
        "enrol",
        "enrol this agent and its meters with a one-time code",
        partial(given.coded, restores=False),
        _enrol,
    ),
    Command(
        "replace",
        "take over the meters of an agent that died",
        partial(given.coded, restores=True),
        _enrol,
    ),
    Command(
        "shares",
        "split the agent's secret in three shares, any two of which restore it",
        given.splitting,
        _shares,
    ),
    Command(
        "restore-history",
        "bring back what a dead device knew of committed registers, held against the log",
        given.restoring,
        _restore_history,
    ),
    Command(
        "check",
        "try configuration, keys, meters and broker; change nothing",
        given.configured,
        _check,
    ),
    Command("run", "run until stopped", given.configured, _run),
    Command("show", "print status, outbox depth, heads and alarms", given.shown, _show),
    Command("top", "watch a running agent in the terminal", given.configured, _top),
    Command(
        "decode",
        "print the values of a captured telegram, one JSON line each",
        given.decoding,
        _decode,
    ),
    Command("scan", "find who answers on a Modbus line", given.scanning, _scan),
    Command("identify", "tell which model a unit is", given.unit, _identify),
    Command(
        "registers",
        "show a unit's registers in every type, and what changed",
        given.browsing,
        _registers,
    ),
    Command(
        "address",
        "give a unit another address or baud rate, and read it back",
        given.addressing,
        _address,
    ),
    Command(
        "wiring", "find reversed and swapped CTs, missing phases", given.wiring, _wiring
    ),
    Command(
        "compare",
        "hold the meter against a clamp or its display",
        given.comparing,
        _compare,
    ),
    Command(
        "loadstep", "switch a known load on and see it move", given.stepping, _loadstep
    ),
    Command(
        "quality",
        "read 200 times: latencies, failures, advice",
        given.measuring,
        _quality,
    ),
    Command("status", "one screen on how the agent does", given.configured, _status),
    Command(
        "dry-run",
        "try the whole chain: meters, seal, aggregator, broker, receipts; nothing false"
        " enters it: the rehearsed seal is for a network that does not exist",
        given.rehearsing,
        _dry_run,
    ),
    Command(
        "resident-pin",
        "make a new PIN for the resident's page, and print its sheet",
        given.resident,
        _resident_pin,
    ),
    Command(
        "bind",
        "sign whose a meter is on the chain, for the registrar; change nothing",
        given.binding,
        _bind,
    ),
    Command(
        "open-on-chain",
        "make what a member hands in to pay his own bill on the chain, for ever",
        given.chain_opening,
        _open_on_chain,
    ),
    Command(
        "report",
        "write the commissioning report: signed JSON and PDF; compare with an old one",
        given.reporting,
        _report,
    ),
)


def parser() -> Parser:
    """Return the command line's parser; `options.command` is the Command."""
    line = Parser(
        prog="meterseal-agent",
        description="Reads meters, seals every interval, keeps it until it is receipted.",
    )
    commands = line.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        sub = commands.add_parser(
            command.name, help=command.text, description=command.text
        )
        sub.set_defaults(command=command)
        command.arguments(sub)
    return line


def _log_to_stderr(level: str) -> None:
    logging.basicConfig(
        level=level.upper(),
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
        stream=sys.stderr,
    )


if __name__ == "__main__":
    sys.exit(main())
