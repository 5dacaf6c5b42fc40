"""The text of a PDF, read in a process of its own that may use little and touch nothing.

    python -I -m meterseal_aggregator.market.documents.extract < file.pdf > text

A PDF is a program of a stranger's: it may nest, loop and unpack without end. The limits are
set before its first byte is read; the answer is its text in one spelling, or a `Flaw` as
exit status. This module must never open a file, start a process, or write anything else.
"""

import io
import os
import resource
import sys
from typing import Final

from meterseal_aggregator.market.documents.figures import normal
from meterseal_aggregator.market.documents.model import (
    MAX_PAGES,
    MAX_PDF_BYTES,
    MAX_TEXT,
    Flaw,
)

MODULE: Final = "meterseal_aggregator.market.documents.extract"
MEMORY_BYTES: Final = 512 << 20
"""Address space: the interpreter and the library take 150 MiB, an honest file 50 more."""
CPU_S: Final = 10
"""An honest file of thirty pages takes 2 s on a Pi."""
OPEN_FILES: Final = 32
"""The library's own modules are read one by one; a file has no use of any."""
NICENESS: Final = 10
"""Readings and trades go first."""
_MAGIC: Final = b"%PDF-"
_MAGIC_WITHIN: Final = 1_024
"""Readers take a file whose mark stands this near to its beginning (ISO 32000-1 annex H)."""


class Flawed(Exception):
    """There is no text to be had, for the reason `flaw`."""

    def __init__(self, flaw: Flaw) -> None:
        super().__init__(flaw.name)
        self.flaw = flaw


def text_of(raw: bytes) -> str:
    """Return a PDF's text in one spelling; raises Flawed, or whatever its reader does."""
    # Loaded under the limits, and by nobody who only asks for the text.
    from pypdf import PasswordType, PdfReader

    if len(raw) > MAX_PDF_BYTES or _MAGIC not in raw[:_MAGIC_WITHIN]:
        raise Flawed(Flaw.NOT_PDF)
    reader = PdfReader(io.BytesIO(raw))
    # Many bills may be read by all and are locked against editing only.
    if reader.is_encrypted and reader.decrypt("") is PasswordType.NOT_DECRYPTED:
        raise Flawed(Flaw.ENCRYPTED)
    if len(reader.pages) > MAX_PAGES:
        raise Flawed(Flaw.PAGES)
    parts, size = [], 0
    for page in reader.pages:
        part = normal(page.extract_text())
        size += len(part) + 1
        if size > MAX_TEXT:
            raise Flawed(Flaw.TEXT)
        parts.append(part)
    text = "\n".join(parts)
    if not text.strip():
        raise Flawed(Flaw.NO_TEXT)
    return text


def limit() -> None:
    """Give up what a reader of text has no use for, for good."""
    os.nice(NICENESS)
    for what, most in (
        (resource.RLIMIT_AS, MEMORY_BYTES), (resource.RLIMIT_CPU, CPU_S),
        (resource.RLIMIT_NOFILE, OPEN_FILES), (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_FSIZE, 0), (resource.RLIMIT_CORE, 0),
    ):  # fmt: skip
        _, hard = resource.getrlimit(what)
        low = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(what, (low, low))


def main() -> int:
    """Answer one file: 0 and its text, or its flaw."""
    limit()
    try:
        text = text_of(sys.stdin.buffer.read(MAX_PDF_BYTES + 1))
    except Flawed as flawed:
        return flawed.flaw
    except (MemoryError, RecursionError):
        return Flaw.WORK
    except Exception as error:
        # The top of the job: whatever a stranger's file brings about is its own fault.
        return _flaw_of(error)
    sys.stdout.buffer.write(text.encode(errors="replace"))
    sys.stdout.buffer.flush()
    return 0


def _flaw_of(error: Exception) -> Flaw:
    from pypdf.errors import DependencyError, FileNotDecryptedError, LimitReachedError

    if isinstance(error, LimitReachedError):
        return Flaw.WORK
    locked = isinstance(error, DependencyError | FileNotDecryptedError)
    return Flaw.ENCRYPTED if locked else Flaw.NOT_PDF


if __name__ == "__main__":
    sys.exit(main())
