"""meterseal-verify clearing BOOK.json: a slot's auction done again, offline.

Prints one line of JSON, {"price", "volume_wh", "fills", "hash"}; or, for what is no book, a
sentence on standard error. Who has what the market published of a slot compares the two.
It must never ask anybody, and never end in a traceback.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from meterseal_proto.clearingfile import MAX_BOOK_BYTES, clearing_json, parse_book
from meterseal_proto.errors import Rejected
from meterseal_proto.printable import printable


def main(arguments: Sequence[str]) -> int:
    """Run the command; 0 when the book was cleared, 1 when it is none, 2 for bad usage."""
    parser = argparse.ArgumentParser(
        prog="meterseal-verify clearing",
        description="Clear a slot's order book again: price, fills and their hash.",
    )
    parser.add_argument("book", metavar="BOOK", help="the slot's orders, a JSON file")
    name = parser.parse_args(arguments).book
    try:
        with Path(name).open("rb") as file:
            book = parse_book(file.read(MAX_BOOK_BYTES + 1))
    except Rejected as rejected:
        return _failed(f"{name} is no order book: {rejected.detail}")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        return _failed(f"{name} cannot be read: {reason}")
    sys.stdout.write(f"{clearing_json(book, book.cleared())}\n")
    return 0


def _failed(sentence: str) -> int:
    sys.stderr.write(printable(sentence) + "\n")
    return 1
