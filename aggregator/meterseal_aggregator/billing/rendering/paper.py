"""A4 paper that is written from top to bottom: wrapped text, columns, pages, a footer.

It knows fpdf2 and nothing of bills. This module must never print a page beyond the limit,
nor read a clock: its creation date is given.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import groupby
from typing import Final

from fpdf import FPDF
from fpdf.fonts import TTFFont

from meterseal_aggregator.billing.rendering.fonts import (
    CORE_ENCODING,
    HINDI,
    Face,
    Fonts,
    composed,
    in_core_fonts,
    needs_devanagari,
    set_in,
)
from meterseal_aggregator.billing.rendering.request import Cause, Unrenderable

MAX_PAGES: Final = 80
"""The longest statement within the limits of its lines has fewer; a book has more."""
MARGIN_MM: Final = 18.0
WIDTH_MM: Final = 210 - 2 * MARGIN_MM
BOTTOM_MM: Final = 297 - MARGIN_MM
LINE_MM: Final = 4.8
GAP_MM: Final = 1.5
BODY, SMALL, LARGE, HUGE = 9.5, 8.0, 12.0, 18.0
_PRODUCER: Final = "Meterseal"


class Paper(FPDF):
    """Sheets of A4; `texts` are all that will be written, so that fonts are chosen once."""

    def __init__(self, texts: Iterable[str], fonts: Fonts, created_at: int) -> None:
        super().__init__(format="A4")
        self.set_margins(MARGIN_MM, MARGIN_MM)
        self.set_auto_page_break(auto=False)
        self.c_margin = 0.0
        self.set_producer(_PRODUCER)
        self.set_creation_date(datetime.fromtimestamp(created_at, UTC))
        self.core_fonts_encoding = CORE_ENCODING
        self.page_text = ""
        """The footer: {page} and {pages} are filled in."""
        self._widths: dict[tuple[str, str, float], float] = {}
        self._letters: frozenset[str] | None = None
        self._joined: frozenset[str] | None = None
        self._family, self._bold, self._size = "Helvetica", "", BODY
        self._choose(list(texts), fonts)

    def footer(self) -> None:
        """Write the page's number; fpdf2 calls it at each page's end."""
        before = self._bold, self._size
        self.style(SMALL)
        self.set_y(BOTTOM_MM + 4)
        text = self._fit(self.page_text.replace("{page}", str(self.page_no())))
        pages = self.str_alias_nb_pages or ""
        line = text.replace("{pages}", pages)
        self.write_lines([line], MARGIN_MM, WIDTH_MM, "C")
        self._bold, self._size = before

    def style(self, size: float = BODY, *, bold: bool = False) -> None:
        """Choose the size and weight of what is written next."""
        self._bold, self._size = "B" if bold else "", size

    def room(self, height: float) -> bool:
        """Begin a page unless `height` mm are left on this one; return whether it did."""
        if self.page_no() and self.get_y() + height <= BOTTOM_MM:
            return False
        if self.page_no() >= MAX_PAGES:
            raise Unrenderable(
                Cause.TOO_LARGE,
                f"a bill of more than {MAX_PAGES} pages is not printed: take its JSON",
            )
        self.add_page()
        return True

    def wrapped(self, text: str, width: float) -> list[str]:
        """Return a text as lines of at most `width` mm in the style chosen."""
        lines, line = [], ""
        for word in self._words(self._fit(text), width):
            longer = f"{line} {word}" if line else word
            if line and self.wide(longer) > width:
                lines.append(line)
                line = word
            else:
                line = longer
        return [*lines, line]

    def write_lines(
        self, lines: Iterable[str], x: float, width: float, align: str
    ) -> None:
        """Write wrapped lines below each other from here, in a column at `x`."""
        for line in lines:
            slack = {"L": 0.0, "C": 0.5, "R": 1.0}[align] * (width - self.wide(line))
            self._write_line(line, x + slack)
            self.set_xy(x, self.get_y() + self.line_mm)

    def paragraph(
        self, text: str, x: float = MARGIN_MM, width: float = WIDTH_MM
    ) -> None:
        """Write a text over as many lines and pages as it takes."""
        for line in self.wrapped(text, width):
            self.room(self.line_mm)
            self.write_lines([line], x, width, "L")

    def wide(self, text: str) -> float:
        """Return a line's width in mm in the style chosen."""
        key = (text, self._bold, self._size)
        if key not in self._widths:
            width = 0.0
            for family, run in self._runs(text):
                self.set_font(family, self._bold, self._size)
                width += self.get_string_width(run)
            self._widths[key] = width
        return self._widths[key]

    @property
    def line_mm(self) -> float:
        """The height of a line in the style chosen."""
        return LINE_MM * max(1.0, self._size / BODY)

    def _write_line(self, line: str, x: float) -> None:
        for family, run in self._runs(line):
            self.set_font(family, self._bold, self._size)
            width = self.get_string_width(run)
            self.set_x(x)
            self.cell(width, self.line_mm, run, align="L")
            x += width

    def _runs(self, text: str) -> Iterator[tuple[str, str]]:
        """Yield the parts of a text by the family that has their letters.

        fpdf2's own fallback forgets which font it last chose; here each part chooses.
        """
        if self._joined is None:
            yield self._family, text
            return
        for joined, letters in groupby(text, self._joined.__contains__):
            yield "joined" if joined else self._family, "".join(letters)

    def _words(self, text: str, width: float) -> Iterator[str]:
        """Yield words; one that is wider than a line in the parts that fit."""
        for word in text.split(" "):
            rest = word
            while rest and self.wide(rest) > width:
                cut = max(1, int(len(rest) * width / self.wide(rest)))
                while cut > 1 and self.wide(rest[:cut]) > width:
                    cut -= 1
                yield rest[:cut]
                rest = rest[cut:]
            yield rest

    def _fit(self, text: str) -> str:
        # A name with fpdf2's sign for the number of pages would be filled with it.
        fitting = set_in(text, self._letters)
        return fitting.replace(self.str_alias_nb_pages or "\0", "?")

    def _choose(self, texts: list[str], fonts: Fonts) -> None:
        if fonts.text is None or all(in_core_fonts(composed(text)) for text in texts):
            return
        self._family = "text"
        self._letters = self._add(self._family, fonts.text)
        if (
            fonts.devanagari is not None
            and fonts.write_hindi
            and needs_devanagari(texts)
        ):
            self._joined = self._add("joined", fonts.devanagari) & HINDI
            self._letters |= self._joined
            self.set_text_shaping(use_shaping_engine=True)

    def _add(self, family: str, face: Face) -> frozenset[str]:
        """Add a face in both weights; return the letters it has."""
        self.add_font(family, "", face.regular)
        self.add_font(family, "B", face.bold)
        font = self.fonts[family]
        codes = font.cmap if isinstance(font, TTFFont) else ()
        return frozenset(map(chr, codes))
