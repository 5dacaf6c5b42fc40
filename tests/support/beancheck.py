"""`bean-check`, as a program of its own: what it says of a ledger."""

import subprocess
import sys
from pathlib import Path

from tests.support.data import absent


def complaints(ledger: bytes, folder: Path) -> str:
    """Return what bean-check complains of, empty where it has nothing to say."""
    program = Path(sys.executable).parent / "bean-check"
    if not program.exists():
        absent("bean-check is not installed: pip install beancount")
    path = folder / "member.beancount"
    path.write_bytes(ledger)
    done = subprocess.run(
        [program, "--no-cache", path], capture_output=True, text=True, check=False
    )
    told = done.stdout + done.stderr
    assert done.returncode == (1 if told else 0)
    return told
