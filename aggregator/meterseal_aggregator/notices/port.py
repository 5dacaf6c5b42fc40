"""The port of the ways out: what every outlet must do with a letter.

This module must never know a way.
"""

from typing import Protocol

from meterseal_aggregator.notices.model import Letter


class Outlet(Protocol):
    """Takes letters of one way to whom they are for."""

    async def send(self, letter: Letter) -> None:
        """Return once somebody took it over, within half a minute.

        Raises Unavailable where trying again may help, Undeliverable where it cannot. The
        same letter may come twice: whoever receives it knows it by its id.
        """
        ...
