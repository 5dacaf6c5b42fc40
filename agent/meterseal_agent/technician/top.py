"""`meterseal-agent top`: the terminal view of a running agent.

Textual comes with an extra of its own, so it is loaded here, and its absence is one
sentence. This module must never disturb the daemon.
"""

import os
import time
from functools import partial
from pathlib import Path

from meterseal_agent.technician.complaint import Complaint
from meterseal_agent.technician.glance import look
from meterseal_proto.clock import VARIABLE, ClockRate


def top(folder: Path) -> int:
    """Show the agent of a data directory until q is pressed."""
    try:
        from meterseal_agent.technician.screen import Top
    except ImportError as error:
        raise Complaint(
            f"the terminal view is not installed ({error}): pip install"
            " 'meterseal[agent,technician]'"
        ) from error
    rate = ClockRate.parse(os.environ.get(VARIABLE))
    Top(partial(look, folder), lambda: rate.at(time.time())).run()
    return 0
