"""The nouns of meter documents: what is wrong with one, what became of it, its limits.

Plain values only. This module must never hold a document's text.
"""

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Final

MAX_PDF_BYTES: Final = 2 << 20
"""A meter's document is a page or ten of text; what is larger is pictures of it."""
MAX_PAGES: Final = 30
MAX_TEXT: Final = 100_000
"""Characters of a document: thirty pages of small print."""
MAX_A_DAY: Final = 10
"""Documents a member may send in 24 hours: each costs us seconds of a processor."""
MAX_MONTHLY_WH: Final = 10**12
"""A terawatt hour in a thousand months; more is a slip."""
DAY_S: Final = 86_400
BASE_URL: Final = "https://api.deepseek.com"
MODEL: Final = "deepseek-chat"
"""Who is asked where a key is configured and nothing else is said."""


class Flaw(IntEnum):
    """Why a document has no text for us; the values are the reading process's answers."""

    NOT_PDF = 3
    ENCRYPTED = 4
    PAGES = 5
    NO_TEXT = 6
    TEXT = 7
    WORK = 8

    @property
    def told(self) -> str:
        """What the member should do about it."""
        return _TOLD[self]


_TOLD: Final = {
    Flaw.NOT_PDF: "this is no PDF that can be read: save it anew as PDF and send that",
    Flaw.ENCRYPTED: "the PDF wants a password: save it without one and send that",
    Flaw.PAGES: f"send the pages that name the production: at most {MAX_PAGES}",
    Flaw.NO_TEXT: "the PDF holds pictures and no text: send the one your installer or"
    " utility made, not a scan",
    Flaw.TEXT: f"the PDF holds more than {MAX_TEXT} characters: send the page that names"
    " the production",
    Flaw.WORK: "the PDF takes too much work to read: print it to a new PDF and send that",
}


class Verdict(StrEnum):
    """What became of a document."""

    READING = "reading"
    """It was taken and no answer was written down: we stopped meanwhile."""
    GOOD = "good"
    FAIR = "fair"
    FAR = "far"
    """Too far off what was declared: it changes nothing, and another may be sent."""
    SPENT = "spent"
    """Another of the meter's, or this one for another meter, counted meanwhile."""
    NO_FIGURE = "no-figure"
    UNREADABLE = "unreadable"


class Source(StrEnum):
    """Who said which of the text's numbers is the figure."""

    MEMBER = "member"
    RULE = "rule"
    MODEL = "model"


@dataclass(frozen=True, slots=True)
class Reading:
    """The figure of a document, in Wh a month, and who picked it among the text's."""

    monthly_wh: int
    source: Source


@dataclass(frozen=True, slots=True)
class Document:
    """A document as it is kept: `sha256` of the file, and what came of it.

    `change` is in 1/10,000 of trust; figure and declaration are Wh a month, None where it
    did not come to that.
    """

    id: int
    meter: bytes
    sha256: bytes
    sent_at: int
    verdict: Verdict
    source: Source | None
    monthly_wh: int | None
    declared_wh: int | None
    change: int
