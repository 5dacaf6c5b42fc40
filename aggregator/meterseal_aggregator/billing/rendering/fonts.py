"""Fonts for paper: the ones every PDF reader has, and files where those lack letters.

English, Spanish, French and Swahili need no file (PDF's Helvetica, Windows-1252). Names in
other Latin, Greek or Cyrillic letters take DejaVu Sans, Hindi a Devanagari font, from the
system's packages (Debian: fonts-dejavu-core, fonts-lohit-deva); no font travels with us.
This module must never look for a font by anything that a request says.
"""

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Final

CORE_ENCODING: Final = "cp1252"
"""What PDF's standard fonts are written in (ISO 32000-1, annex D.2, WinAnsiEncoding)."""
UNKNOWN: Final = "?"
"""Printed for a letter that no font here has."""
FOLDERS: Final = (
    Path("/usr/share/fonts/truetype/dejavu"),
    Path("/usr/share/fonts/truetype/lohit-devanagari"),
    Path("/usr/share/fonts/truetype/noto"),
)
"""Where Debian's packages put fonts."""
_TEXT: Final = (
    ("DejaVuSans.ttf", "DejaVuSans-Bold.ttf"),
    ("NotoSans-Regular.ttf", "NotoSans-Bold.ttf"),
)
_DEVANAGARI: Final = (
    ("NotoSansDevanagari-Regular.ttf", "NotoSansDevanagari-Bold.ttf"),
    ("Lohit-Devanagari.ttf", "Lohit-Devanagari.ttf"),
)
HINDI: Final = frozenset(map(chr, range(0x0900, 0x0980))) | {"\u200c", "\u200d"}
"""The block of Devanagari, and the marks that join or part its letters."""
_NARROW: Final = str.maketrans({"\u202f": "\u00a0"})
"""French groups digits by a narrow blank, which few fonts have."""


@dataclass(frozen=True, slots=True)
class Face:
    """A font's files: regular and bold, the same twice where there is one."""

    regular: Path
    bold: Path


@dataclass(frozen=True, slots=True)
class Fonts:
    """The faces that were found; None where there is none."""

    text: Face | None = None
    devanagari: Face | None = None

    @property
    def write_hindi(self) -> bool:
        """Whether Devanagari can be set: its font, and the library that joins letters."""
        return self.devanagari is not None and find_spec("uharfbuzz") is not None


@cache
def find_fonts(folders: tuple[Path, ...] = FOLDERS) -> Fonts:
    """Return the fonts that are in these folders; looked for once."""
    return Fonts(_first(folders, _TEXT), _first(folders, _DEVANAGARI))


def in_core_fonts(text: str) -> bool:
    """Return whether PDF's standard fonts have every letter of a text."""
    try:
        text.encode(CORE_ENCODING)
    except UnicodeEncodeError:
        return False
    return True


def needs_devanagari(texts: Iterable[str]) -> bool:
    """Return whether one of the texts has a letter of Hindi."""
    return any(letter in HINDI for text in texts for letter in text)


def composed(text: str) -> str:
    """Return a text with its accents on its letters and no narrow blanks."""
    return unicodedata.normalize("NFC", text).translate(_NARROW)


def set_in(text: str, letters: frozenset[str] | None) -> str:
    """Return a text in the letters there are (None: the core fonts'), "?" for the rest."""
    text = composed(text)
    if letters is None:
        return text.encode(CORE_ENCODING, "replace").decode(CORE_ENCODING)
    return "".join(letter if letter in letters else UNKNOWN for letter in text)


def _first(
    folders: tuple[Path, ...], wanted: tuple[tuple[str, str], ...]
) -> Face | None:
    for regular, bold in wanted:
        for folder in folders:
            if (folder / regular).is_file() and (folder / bold).is_file():
                return Face(folder / regular, folder / bold)
    return None
