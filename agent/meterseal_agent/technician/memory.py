"""A file that a command keeps for its next call: what was read, what was changed.

It must never hold a secret, and a file that is lost or damaged must never stop a command
that does not need it.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from meterseal_agent.technician.complaint import Complaint


@dataclass(frozen=True, slots=True)
class Memory:
    """One remembered text."""

    file: Path

    def read(self) -> str:
        """Return what is remembered, "" for nothing."""
        try:
            return self.file.read_text("utf-8")
        except (OSError, ValueError):
            return ""

    def write(self, text: str) -> None:
        """Remember; Complaint when the file cannot be written."""
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            self.file.write_text(text, "utf-8")
        except OSError as error:
            raise Complaint(
                f"{self.file} cannot be written: {error.strerror}; name another with"
                " --memory"
            ) from error


def place(named: str | None, what: str) -> Memory:
    """Return the memory of `what`, in the file `named` or in the user's cache."""
    if named:
        return Memory(Path(named))
    cache = Path(os.environ.get("XDG_CACHE_HOME") or _home() / ".cache")
    name = re.sub("[^A-Za-z0-9]+", "-", what).strip("-")
    return Memory(cache / "meterseal" / f"{name}.json")


def _home() -> Path:
    """Return the user's own folder: in a shared one anybody could lay a change out."""
    try:
        return Path.home()
    except RuntimeError as error:
        raise Complaint(
            "this user has no home folder: name a file with --memory"
        ) from error
