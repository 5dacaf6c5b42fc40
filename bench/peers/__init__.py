"""Other people's programs, each in a virtual environment of its own, measured beside ours.

A peer is a requirements file `<name>.txt` here. Nothing of a peer may be imported by the
bench: it is run as its users run it, from its shipped configuration.
"""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parent
HOMES: Final = FOLDER.parents[1] / ".venv-peers"


class NoPeer(Exception):
    """A peer cannot be installed here; the sentence says why."""


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
