"""`open-on-chain`: what a member hands in to have his own bill computed and paid on the chain.

It reads the two files that his page and his aggregator gave him, needs no network, no
configuration and no key, and prints one JSON document for `POST /v1/me/chain-bills`. Without
`--for-ever` it only says what that means. This module must never print a single interval.
"""

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Final

from meterseal_agent.technician.complaint import Complaint
from meterseal_proto.chainopening import NotOpenable, sum_opening
from meterseal_proto.errors import Rejected
from meterseal_proto.privatefile import MAX_FILE_BYTES, parse_private
from meterseal_proto.usagefile import parse_usage

Say = Callable[[str], None]
FOR_EVER: Final = (
    "A bill on the chain shows everybody, for ever, what this meter used in the whole period,"
    " beside the account that pays it. Nobody can take it back. To do it, give the command"
    " again with --for-ever."
)


def open_on_chain(options: argparse.Namespace, say: Say) -> int:
    """Print the opening of a bill's sum, as the API takes it."""
    if not options.for_ever:
        say(FOR_EVER)
        return 1
    try:
        own = parse_usage(_read(options.openings))
        found = sum_opening(own, parse_private(_read(options.bill)))
    except Rejected as error:
        raise Complaint(str(error)) from error
    except NotOpenable as error:
        raise Complaint(f"{error}") from error
    fields = {"usage": found.value, "z": found.z.hex(), "a": found.a.hex()}
    say(json.dumps(fields))
    return 0


def _read(name: str) -> bytes:
    try:
        with Path(name).open("rb") as file:
            return file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise Complaint(f"{name}: {error.strerror}") from error
