"""`resident-pin`: a new PIN for the resident's page, and what is on its sheet.

It needs no network. It must never show a PIN that was made before: only its hash is kept.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from meterseal_agent.commissioning.sheet import Handover
from meterseal_agent.config import load
from meterseal_agent.keystore import Keystore, KeystoreError
from meterseal_agent.resident.paper import new_sheet, shown_fingerprint
from meterseal_agent.technician.complaint import Complaint

Say = Callable[[str], None]


def resident_pin(options: argparse.Namespace, say: Say) -> int:
    """Make a new PIN, or with `--show` say where the page is; 1 when nothing was made."""
    config = load(Path(options.config), os.environ)
    address = config.resident
    if address is None:
        raise Complaint(
            "no page is configured: write [resident] with host = this machine's address"
            " on the home's network"
        )
    store = Keystore(config.data_dir)
    try:
        store.keys_secret()  # Whoever may not read it would leave files of his own here.
        if options.show:
            _show(
                store, address.url, shown_fingerprint(store, address, time.time()), say
            )
            return 0
        handover = Handover(
            Path(options.sheet) if options.sheet else None, sys.stdout.isatty()
        )
        return 0 if new_sheet(store, address, handover, say, time.time()) else 1
    except KeystoreError as error:
        raise Complaint(str(error)) from error


def _show(store: Keystore, url: str, fingerprint: str, say: Say) -> None:
    say(f"page     {url}")
    say(f"SHA-256  {fingerprint or 'none: plain HTTP on this machine only'}")
    made = store.paths.resident_pin.exists()
    say(f"PIN      {'on its sheet' if made else 'none yet: run this without --show'}")
