"""A finding: one sentence a technician can act on, and how bad it is.

Every rule of commissioning answers in findings. A finding must never say that all is
well where nothing was measured: what could not be judged is a note.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Grade(StrEnum):
    """How a finding is to be taken; the values are what is printed."""

    GOOD = "ok"
    NOTE = "note"
    BAD = "FAIL"


@dataclass(frozen=True, slots=True)
class Finding:
    """One sentence on `where` ("L2", "line", ...), and its grade."""

    grade: Grade
    where: str
    text: str

    def __str__(self) -> str:
        return f"{self.grade:5} {self.where}: {self.text}"


def good(where: str, text: str) -> Finding:
    """Return a finding that all is well."""
    return Finding(Grade.GOOD, where, text)


def note(where: str, text: str) -> Finding:
    """Return a finding that somebody should know."""
    return Finding(Grade.NOTE, where, text)


def bad(where: str, text: str) -> Finding:
    """Return a finding that has to be mended."""
    return Finding(Grade.BAD, where, text)


def all_well(findings: Iterable[Finding]) -> bool:
    """Tell whether nothing has to be mended."""
    return all(finding.grade is not Grade.BAD for finding in findings)
