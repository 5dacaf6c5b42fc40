"""The Meter port: what the agent wants from anything that measures.

Adapters: Modbus TCP (`modbus.py`), and in the tests a meter replayed from a list.
One suite, tests/ports/test_meter_port.py, holds every adapter to this contract. A port
must never answer from memory: a reading is asked for now, or it is none.
"""

from typing import Protocol

from meterseal_agent.meters.registers import Sample


class Meter(Protocol):
    """A meter that can be read, one reading at a time."""

    async def read(self, now: int) -> Sample:
        """Return what the meter shows, stamped with `now` (UTC Unix seconds).

        A meter that speaks when it likes is stamped with the second it spoke, which is
        `now` or later: an hour may have ended while it was waited for.
        Never waits longer than the meter's own timeout, never repeats an old answer.
        Raises Unavailable when there is no trustworthy answer now; a later call may
        succeed. A single register without a value is in `unavailable`, not an error.
        """
        ...
