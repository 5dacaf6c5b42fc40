"""The embedded endpoint's TLS: who comes in by certificate, and who does no longer.

    gate = Gate(house)
    await gate.refresh()
    Endpoint(EndpointSettings(..., tls=gate.context))
    await gate.run()

Certificates of replaced and revoked agents are refused at every new connection. One that
stands is not ended: what comes over it is refused for its seal key, as ever. A broker has
no such gate; there the seal keys alone decide. This module must never let a trouble of
the database open the gate, or shut it to everybody.
"""

import asyncio
import ssl
from typing import Final

import structlog

from meterseal_aggregator.app.house import House
from meterseal_aggregator.app.keys import keep
from meterseal_aggregator.registry import revoked

PERIOD_S: Final = 2.0
"""A revoked agent is out within this time; a look that finds nothing new reads one row."""
_log = structlog.get_logger(__name__)


class Gate:
    """TLS that lets in holders of a certificate our device CA signed, while it is good.

    Our own certificate is of that CA too, new at every start: agents trust no other.
    """

    def __init__(self, house: House) -> None:
        self._house = house
        self._version = -1
        self._known: frozenset[int] = frozenset()
        self._number = 0
        folder = house.keys.ca_file
        self._list = folder.with_name("device-ca.crl")
        name = (house.config.mqtt.advertise or "").rpartition(":")[0]
        real_now = int(house.real_now())
        path = folder.with_name("mqtt-server.pem")
        keep(path, house.keys.authority.issue(name, server=True, real_now=real_now))
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        # Before TLS 1.3 a session is taken up again without its certificate, for two
        # hours, and Python cannot forbid it. With 1.3 that needs a ticket: we give none.
        self.context.minimum_version = ssl.TLSVersion.TLSv1_3
        self.context.num_tickets = 0
        self.context.load_cert_chain(path)
        self.context.load_verify_locations(folder)
        self.context.verify_mode = ssl.CERT_REQUIRED
        self.context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
        self._publish(frozenset())

    async def run(self) -> None:
        """Look for changes until cancelled; a failure is logged and tried again."""
        while True:
            await asyncio.sleep(PERIOD_S)
            # The top of a job: the gate stays as it is until the database answers.
            try:
                await self.refresh()
            except Exception as error:
                _log.warning("gate_not_refreshed", error=str(error))

    async def refresh(self) -> None:
        """Take up what the registry revoked since the last look."""
        async with self._house.database.reading() as tx:
            version = await revoked.version(tx)
            if version == self._version:
                return
            known = await revoked.serials(tx)
        if known != self._known:
            self._publish(known)
            _log.info("certificates_revoked", count=len(known))
        self._version = version

    def _publish(self, serials: frozenset[int]) -> None:
        self._number += 1
        authority = self._house.keys.authority
        keep(self._list, authority.revocation_list(serials, self._number))
        self.context.load_verify_locations(self._list)
        self._known = serials
