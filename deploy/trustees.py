"""Three trustees of a rehearsed street: other organisations' programs, as children here.

They keep mask seeds, answer for one set a cell and day, and witness the log. On loopback
they speak plain HTTP; anywhere else mutual TLS, as `trustee/README.md` says. In a rehearsal
nobody compares rosters by hand, so they countersign at once. This module must never read
a trustee's database.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from deploy.processes import Main, Program
from deploy.street import READY_WITHIN_S, Street, clock, start

COUNT: Final = 3
_SAID: Final = re.compile(r"^(\w[\w ]*?): +(\S.*)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Trustee:
    """One of the three: where it listens, its keys as pinned, and how eyes compare them."""

    number: int
    port: int
    keys: str
    fingerprint: str
    witness: str

    @property
    def name(self) -> str:
        """What its program is called in log files."""
        return f"trustee-{self.number}"

    @property
    def url(self) -> str:
        """Where the aggregator finds it."""
        return f"http://127.0.0.1:{self.port}"


@dataclass(frozen=True, slots=True)
class Served:
    """What the three are told of the network: its id, its log's key, its zone."""

    network: str
    log_key: str
    zone: str


def appoint(street: Street, served: Served, port: int) -> list[Trustee]:
    """Make three trustees for a network, on consecutive ports; they do not run yet."""
    found = []
    for number in range(COUNT):
        _write(street, number, served, port + number, ())
        said = dict(_SAID.findall(_run(street, number, "init")))
        found.append(
            Trustee(
                *(number, port + number),
                *(said["keys"], said["fingerprint"], said["witness"]),
            )
        )
    keys = tuple(one.keys for one in found)
    for one in found:
        _write(street, one.number, served, one.port, keys)
    return found


def serve(street: Street, trustees: list[Trustee]) -> None:
    """Start the three by the street's clock."""
    for one in trustees:
        arguments = ["serve", "--config", str(_config(street, one.number))]
        start(street, one.name, trustee_main(), arguments)


def audit(street: Street, trustee: Trustee) -> str:
    """Return what a trustee says of itself when it derives all of its answers again."""
    return _run(street, trustee.number, "audit").strip()


def trustee_main() -> Main:
    """The trustee's entry point, imported once in the parent."""
    from meterseal_trustee.cli import main

    return main


def _run(street: Street, number: int, command: str) -> str:
    name = f"trustee-{number}-{command}"
    arguments = (command, "--config", str(_config(street, number)))
    log = street.processes.log(name)
    log.unlink(missing_ok=True)
    program = Program(name, trustee_main(), arguments, clock(street))
    street.processes.run(program, READY_WITHIN_S)
    return log.read_text()


def _config(street: Street, number: int) -> Path:
    return street.plan.folder / f"trustee-{number}.toml"


def _write(
    street: Street,
    number: int,
    served: Served,
    port: int,
    keys: tuple[str, ...],
) -> None:
    _config(street, number).write_text(
        f"number = {number}\n"
        f'network = "{served.network}"\n'
        f'log_key = "{served.log_key}"\n'
        f'zone = "{served.zone}"\n'
        'countersign = "at-once"\n'
        f'data_dir = "{street.plan.folder / f"trustee-{number}"}"\n'
        'log_level = "warning"\n'
        f"trustees = {json.dumps(keys)}\n"
        f"[web]\nport = {port}\n"
    )
