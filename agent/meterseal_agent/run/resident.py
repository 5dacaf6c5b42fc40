"""The resident's page put together: its certificate, its threads, its server.

Loaded only where a page is configured. It has a thread of its own for PINs and for putting
pages together, so nothing it does holds up the loop the seals are in. It must never outlive
the agent, nor be served without the PIN having been made.
"""

import contextlib
import logging
import socket
import time
from collections.abc import Callable
from datetime import datetime
from functools import partial
from zoneinfo import ZoneInfo

from meterseal_agent.config import Config
from meterseal_agent.keystore import Paths
from meterseal_agent.outbox.store import Outbox
from meterseal_agent.resident import certificate
from meterseal_agent.resident.address import Address
from meterseal_agent.resident.contents import Contents
from meterseal_agent.resident.door import Door
from meterseal_agent.resident.look import Home, Look
from meterseal_agent.resident.site import Site
from meterseal_agent.resident.wire import BACKLOG, Server
from meterseal_agent.run.enrolment import Enrolment
from meterseal_agent.run.file_thread import FileThread
from meterseal_proto.errors import Unavailable
from meterseal_proto.tariff import LocalTime

_log = logging.getLogger("meterseal.resident")


class Resident:
    """The page's duty; `outbox` comes with its thread.

    Tries at the PIN and certificates go by real time, whatever the network's clock does.
    """

    def __init__(
        self,
        address: Address,
        home: Home,
        paths: Paths,
        outbox: tuple[Outbox, FileThread],
    ) -> None:
        self._address = address
        self._paths = paths
        self._contents = Contents(home, Look(*outbox))
        self._door = Door(paths, time.time, time.monotonic)

    async def run(self) -> None:
        """Serve until cancelled; Unavailable where the address is not this machine's."""
        slow = FileThread("resident")
        try:
            site = Site(self._address, self._door, self._contents, slow)
            tls = None
            if self._address.tls:
                made = certificate.ensure(self._paths, self._address, time.time())
                tls = certificate.context(self._paths)
                shown = certificate.fingerprint(made)
                _log.info("resident_page at=%s sha256=%s", self._address.url, shown)
            with contextlib.closing(listener(self._address)) as socket_:
                await Server(site.answer, tls).serve(socket_)
        finally:
            slow.close()


def listener(address: Address) -> socket.socket:
    """Return a socket that listens at an address; Unavailable where it cannot."""
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((address.host, address.port))
        made.listen(BACKLOG)
        made.settimeout(0)  # asyncio waits, never the socket
    except OSError as error:
        made.close()
        raise Unavailable(
            f"the resident's page cannot be at {address.url}: {error.strerror}"
        ) from error
    return made


def make_home(config: Config, enrolment: Enrolment, now: Callable[[], float]) -> Home:
    """Return whose page it is."""
    return Home(
        network=enrolment.network,
        serials={meter: serial for serial, meter in enrolment.meter_ids.items()},
        private=frozenset(enrolment.committed),
        zone=config.zone,
        clock=clock,
        now=now,
        root=enrolment.keys.root,
    )


def clock(zone: str) -> LocalTime:
    """Return a zone's clock."""
    return partial(datetime.fromtimestamp, tz=ZoneInfo(zone))
