"""The bus watchdog: a line on which nothing happens any more is noticed, and begun anew.

A driver that hangs in a read raises nothing, so what counts is that readings end, well or
badly. Pure but for the loop that looks. This module must never judge a dead meter: that
one ends its readings in time-outs, and its line lives.
"""

from collections.abc import Mapping
from typing import Final

from meterseal_agent.meters.bus import Health
from meterseal_agent.meters.schedule import BACKOFF_CAP_S
from meterseal_proto.errors import Unavailable
from meterseal_proto.units import MeterId

LINE_S: Final = 2 * BACKOFF_CAP_S
"""A line of dead meters asks one of them every five minutes; twice that is no pause."""


class LineStuck(Unavailable):
    """A line on which no reading has ended for LINE_S; its name is in the text."""


class LineWatch:
    """What each line had done when it was last seen to get on.

    `lines` names the meters of each line; times are this network's steady seconds.
    """

    def __init__(self, lines: Mapping[str, frozenset[MeterId]], now: float) -> None:
        self._lines = dict(lines)
        self._done = dict.fromkeys(lines, 0)
        self._at = dict.fromkeys(lines, now)

    def look(self, health: Mapping[MeterId, Health], now: float) -> None:
        """Note which lines got on; LineStuck names one that has not for LINE_S."""
        for name, meters in self._lines.items():
            done = sum(health[m].answers + health[m].missed for m in meters)
            if done != self._done[name]:
                self._done[name], self._at[name] = done, now
            elif now - self._at[name] > LINE_S:
                raise LineStuck(
                    f"line {name}: no reading has ended for {LINE_S:.0f} s;"
                    " it is closed and opened anew"
                )
