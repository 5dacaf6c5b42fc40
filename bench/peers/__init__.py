"""Other people's programs, each in a virtual environment of its own, measured beside ours.

A peer is a requirements file `<name>.txt` here. Nothing of a peer may be imported by the
bench: it is run as its users run it, from its shipped configuration.
"""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parent
HOMES: Final = FOLDER.parents[1] / ".venv-peers"
_CLOCK: Final = os.sysconf("SC_CLK_TCK")


class NoPeer(Exception):
    """A peer cannot be installed here; the sentence says why."""


@dataclass(frozen=True, slots=True)
class Running:
    """A running program, by its process id."""

    pid: int

    @property
    def rss_mb(self) -> float:
        """Its resident memory, in 10^6 bytes."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6

    @property
    def cpu_s(self) -> float:
        """The processor time it has used."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / _CLOCK


def environment(name: str) -> Path:
    """Return the Python of the peer's environment, made at first use.

    Raises NoPeer when a package cannot be had.
    """
    home, wanted = HOMES / name, FOLDER / f"{name}.txt"
    python, mark = home / "bin" / "python", home / "installed"
    if mark.exists() and mark.read_text() == wanted.read_text():
        return python
    shutil.rmtree(home, ignore_errors=True)
    pip = [str(python), "-m", "pip", "install", "--quiet", "--requirement", str(wanted)]
    for command in ([sys.executable, "-m", "venv", str(home)], pip):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            last = done.stderr.strip().splitlines()[-1:]
            raise NoPeer(f"{name} cannot be installed: {' '.join(last)}")
    mark.write_text(wanted.read_text())
    return python
