"""Join the parts: open keys and database as configured, and serve behind mutual TLS.

    async with open_trustee(config) as trustee:
        await serve(trustee, say)

A caller is let in by a certificate of the CA we were given, under a name we were given;
everybody else's connection ends before a request is read. This module must never hold a
rule.
"""

import asyncio
import contextlib
import os
import signal
import socket
import ssl
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Final
from zoneinfo import ZoneInfo

import structlog
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from meterseal_proto.clock import VARIABLE, ClockRate
from meterseal_proto.errors import Unavailable
from meterseal_trustee import store
from meterseal_trustee.config import Config, ConfigError
from meterseal_trustee.database import Database
from meterseal_trustee.desk import Desk, Settings
from meterseal_trustee.keys import TrusteeSecrets, make_keys, open_keys
from meterseal_trustee.web import build
from meterseal_trustee.witness import Cosigner, Witness

CONNECTIONS: Final = 64
"""At once: one aggregator asks, and a person looks."""
IDLE_S: Final = 20
"""A connection that asks nothing is closed after this time."""
GOODBYE_S: Final = 10
"""How long an answer may still take when we are asked to stop."""
DATABASE: Final = "trustee.sqlite"
"""In `data_dir`."""
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Trustee:
    """An open trustee."""

    config: Config
    settings: Settings
    secrets: TrusteeSecrets
    database: Database
    rate: ClockRate

    def now(self) -> float:
        """Return the network's time in Unix seconds."""
        return self.rate.at(time.time())

    def desk(self) -> Desk:
        """Return where its requests are decided."""
        return Desk(self.settings, self.secrets, self.database, self.now)

    def witness(self) -> Witness:
        """Return where checkpoints are cosigned."""
        return Witness(cosigner(self.config, self.secrets), self.database, self.now)


def initialise(config: Config) -> tuple[TrusteeSecrets, bool]:
    """Make the keys where there are none; returns them, and whether any is new."""
    made = make_keys(config.data_dir / "keys")
    return open_keys(config.data_dir / "keys", config.number), made


def cosigner(config: Config, secrets: TrusteeSecrets) -> Cosigner:
    """Return who we are as a witness, and whom we follow."""
    return Cosigner(config.cosigner_name, secrets.witness, config.log)


def prepared(config: Config) -> tuple[Settings, TrusteeSecrets]:
    """Return what the configuration and the keys say, once they fit; nothing is written.

    Raises Unavailable or ConfigError.
    """
    secrets = open_keys(config.data_dir / "keys", config.number)
    pinned = config.pinned
    if pinned[config.number] != secrets.public:
        raise ConfigError(
            f"trustees: number {config.number} is written with other keys than ours"
        )
    settings = Settings(
        network=config.network_id,
        chain_id=config.chain_id,
        zone=ZoneInfo(config.zone),
        trustees=pinned,
        by_hand=config.countersign == "by-hand",
    )
    _rate()
    return settings, secrets


@contextlib.asynccontextmanager
async def open_trustee(config: Config) -> AsyncIterator[Trustee]:
    """Open what `init` made; Unavailable or ConfigError says what does not fit."""
    settings, secrets = prepared(config)
    database = await Database.open(config.data_dir / DATABASE)
    try:
        async with database.transaction() as tx:
            if await store.settled(tx) is None:
                await store.settle(tx, *_purpose(settings, secrets))
            _check_purpose(await store.settled(tx), settings, secrets)
        yield Trustee(config, settings, secrets, database, _rate())
    finally:
        await database.close()


def _purpose(settings: Settings, secrets: TrusteeSecrets) -> tuple[bytes, int, int]:
    return settings.network, secrets.public.number, settings.chain_id


def _check_purpose(
    standing: tuple[bytes, int, int] | None,
    settings: Settings,
    secrets: TrusteeSecrets,
) -> None:
    """Refuse a database that was made for another network, number or chain."""
    if standing != _purpose(settings, secrets):
        raise ConfigError(
            "network, number or chain_id differ from those this database was made for"
        )


async def serve(trustee: Trustee, say: Callable[[str], None]) -> None:
    """Answer until a signal; says `ready: URL` once it listens."""
    web = trustee.config.web
    listening = _listen(web.host, web.port)
    scheme = "https" if web.tls else "http"
    server = _Server(_uvicorn_config(trustee))
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    say(f"ready: {scheme}://{web.host}:{listening.getsockname()[1]}")
    serving = asyncio.create_task(server.serve([listening]))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    server.should_exit = True
    await serving


class _Server(uvicorn.Server):
    """Uvicorn without signal handlers of its own."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to `serve`."""
        yield


class Door(H11Protocol):
    """HTTP/1.1 that ends a connection whose certificate bears none of our callers' names."""

    clients: frozenset[str] | None = None
    """Common names; None: plain, on this machine only."""
    _refused = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # uvicorn narrows it so
        """Look at the peer's certificate, which TLS has verified."""
        super().connection_made(transport)
        if self.clients is not None:
            tls = transport.get_extra_info("ssl_object")
            names = common_names(tls.getpeercert() or {}) if tls else set()
            if not names or not names <= self.clients:
                _log.warning("caller_not_known", names=sorted(names))
                self._refused = True
                transport.abort()

    def shutdown(self) -> None:
        """End an idle connection now: TLS would wait for a peer that is not reading."""
        idle = getattr(self.cycle, "response_complete", True)  # None at first
        if idle and not self.transport.get_write_buffer_size():
            self.transport.abort()
        else:
            super().shutdown()

    def data_received(self, data: bytes) -> None:
        """Read on, unless the caller was turned away."""
        if not self._refused:
            super().data_received(data)


def common_names(certificate: dict[str, object]) -> set[str]:
    """Return the common names in what `ssl` tells of a certificate."""
    subject = certificate.get("subject", ())
    assert isinstance(subject, tuple)
    return {value for part in subject for name, value in part if name == "commonName"}


def _uvicorn_config(trustee: Trustee) -> uvicorn.Config:
    tls = trustee.config.web.tls
    names = frozenset(tls.clients) if tls else None
    config = uvicorn.Config(
        build(trustee.desk(), trustee.witness()),
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        lifespan="off",
        http=type("NamedDoor", (Door,), {"clients": names}),
        ws="none",
        limit_concurrency=CONNECTIONS,
        timeout_keep_alive=IDLE_S,
        timeout_graceful_shutdown=GOODBYE_S,
        ssl_certfile=tls.certificate if tls else None,
        ssl_keyfile=tls.key if tls else None,
        ssl_ca_certs=tls.client_ca if tls else None,
        ssl_cert_reqs=ssl.CERT_REQUIRED,
    )
    try:
        config.load()
    except OSError as error:  # ssl.SSLError is one
        raise ConfigError(f"[web.tls] files cannot be used: {error}") from error
    if config.ssl is not None:
        # Before TLS 1.3 a session is taken up again without its certificate.
        config.ssl.minimum_version = ssl.TLSVersion.TLSv1_3
        config.ssl.num_tickets = 0
    return config


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise Unavailable(
            f"cannot listen on {host}:{port} ({error.strerror}): choose another in [web]"
        ) from error


def _rate() -> ClockRate:
    try:
        return ClockRate.parse(os.environ.get(VARIABLE))
    except ValueError as error:
        raise ConfigError(str(error)) from None
