"""A private home whose resident's page is served on loopback, by the agent's own parts."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx2

from deploy.freeport import free_port
from meterseal_agent.keystore import Paths
from meterseal_agent.outbox.model import Chain
from meterseal_agent.resident.address import Address
from meterseal_agent.resident.look import Home
from meterseal_agent.resident.pin import keep_pin
from meterseal_agent.run.file_thread import FileThread
from meterseal_agent.run.resident import Resident, clock
from meterseal_agent.seal.opening import Openings
from meterseal_proto.bill import ProvedBill
from meterseal_proto.tariff import Band, MicroPerKwh, Tariff
from meterseal_proto.units import IMPORT
from tests.support.boxes import KEYS
from tests.support.devices import BEGAN_AT, GENESIS
from tests.support.private_home import (
    DAY_S,
    METER,
    STEP,
    PrivateHome,
    midnight,
    readings,
)

PIN: Final = "20861357"
SERIAL: Final = "S-417"
FIRST: Final = midnight(BEGAN_AT)
"""When the first whole day begins, UTC: 2023-11-15."""
END: Final = FIRST + 2 * DAY_S
WAIT_S: Final = 60.0
"""How long a browser waits for an answer, on a machine that others use too."""
USAGE: Final = [(n * 911) % 1_503 for n in range(300)]
"""Eight slots of a first evening, three whole days, the third of which waits, an hour more."""
NOW: Final = BEGAN_AT + len(USAGE) * STEP + 60
TARIFF: Final = Tariff(
    "day-night",
    "EUR",
    "UTC",
    0,
    (Band(MicroPerKwh(310_000), begin=420, end=1_260), Band(MicroPerKwh(205_000))),
)


@contextmanager
def billed_home(folder: Path) -> Iterator[PrivateHome]:
    """A home with an evening and two days accepted, one that waits, and a bill signed."""
    with closing(PrivateHome(folder)) as home:
        home.read(readings(USAGE))
        for _ in range(3):
            home.committer.cut()
            home.accept(NOW)
        home.committer.cut()
        openings = openings_of(home)
        openings.learn(TARIFF, now=BEGAN_AT)
        openings.bill(chain_of(home), FIRST, END, TARIFF.hash())
        yield home


def chain_of(home: PrivateHome) -> Chain:
    """Return the home's register."""
    (chain,) = home.outbox.chains()
    return chain


def openings_of(home: PrivateHome) -> Openings:
    """Return what signs the home's bills."""
    links = {(METER, IMPORT): home.device.link}
    return Openings(home.outbox, KEYS, GENESIS.network, links)


def the_bill(home: PrivateHome) -> ProvedBill:
    """Return the bill that was signed."""
    (bill,) = home.outbox.openings(chain_of(home))
    return bill


def whose(private: bool = True) -> Home:
    """Return whose page it is."""
    return Home(
        network=GENESIS.network,
        serials={METER: SERIAL},
        private=frozenset({(METER, IMPORT)} if private else ()),
        zone="UTC",
        clock=clock,
        now=lambda: NOW,
        root=KEYS.root,
    )


@dataclass
class Page:
    """A page that is served, and a browser that trusts its certificate."""

    address: Address
    paths: Paths
    browser: httpx2.AsyncClient

    async def get(self, path: str) -> httpx2.Response:
        """Ask for a page."""
        return await self.browser.get(path)

    async def enter(self, pin: str = PIN, **headers: str) -> httpx2.Response:
        """Send the form."""
        return await self.browser.post("/login", data={"pin": pin}, headers=headers)

    async def token(self) -> str:
        """Come in; return the cookie."""
        return (await self.enter()).headers["set-cookie"].split(";")[0]

    async def raw(self, sent: bytes) -> bytes:
        """Send bytes; return all that comes until the connection ends."""
        try:
            reader, writer = await self.connect()
        except OSError:
            return b""
        writer.write(sent)
        try:
            async with asyncio.timeout(30):
                return await reader.read()
        except OSError:
            return b""
        finally:
            writer.close()

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Open a connection over TLS."""
        return await asyncio.open_connection(
            self.address.host, self.address.port, ssl=trusting(self.paths)
        )


_HASHED: dict[str, bytes] = {}


def put_pin(path: Path, pin: str) -> None:
    """Put a PIN's hash into its file, hashed once: that is slow, which is its point."""
    if pin not in _HASHED:
        keep_pin(path, pin)
        _HASHED[pin] = path.read_bytes()
    path.write_bytes(_HASHED[pin])


def trusting(paths: Paths) -> ssl.SSLContext:
    """Return how a browser speaks once its user compared the fingerprint."""
    return ssl.create_default_context(cafile=str(paths.resident_certificate))


@asynccontextmanager
async def served(
    home: PrivateHome, folder: Path, whose_: Home | None = None, *, pin: str = PIN
) -> AsyncIterator[Page]:
    """Serve the page of a home; `folder` is where its PIN and certificate lie."""
    folder.mkdir(exist_ok=True)
    paths = Paths(folder)
    if pin:
        put_pin(paths.resident_pin, pin)
    address = Address("127.0.0.1", free_port(), name="meter.home")
    thread = FileThread("outbox")
    resident = Resident(address, whose_ or whose(), paths, (home.outbox, thread))
    task = asyncio.create_task(resident.run())
    try:
        await _listens(address, task)
        async with httpx2.AsyncClient(
            base_url=address.url,
            verify=trusting(paths),
            trust_env=False,
            timeout=WAIT_S,
        ) as browser:
            yield Page(address, paths, browser)
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        thread.close()


async def _listens(address: Address, task: asyncio.Task[None]) -> None:
    async with asyncio.timeout(10):
        while not task.done():
            try:
                _, writer = await asyncio.open_connection(address.host, address.port)
            except OSError:
                await asyncio.sleep(0.01)
                continue
            writer.close()
            return
    await task
