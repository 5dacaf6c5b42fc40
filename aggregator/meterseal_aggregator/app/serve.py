"""Run the aggregator: endpoint or broker, intake, web and duties in one loop.

Ports are taken before anything else starts. SIGTERM and SIGINT end everything at once:
what was not acknowledged comes again, so nothing needs to be finished. A part that falls
takes the others with it, and a supervisor starts anew.
"""

import asyncio
import gc
import random
import signal
import socket
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from math import ceil
from typing import Final
from urllib.parse import urlsplit
from uuid import uuid4

import structlog
import uvicorn

from meterseal_aggregator.app.api import WebParts, web_app
from meterseal_aggregator.app.chain import members_door
from meterseal_aggregator.app.descriptors import raise_limit, share
from meterseal_aggregator.app.documents import documents_desk
from meterseal_aggregator.app.duties import Wires, duties
from meterseal_aggregator.app.gate import Gate
from meterseal_aggregator.app.house import House
from meterseal_aggregator.app.mailroom import open_mailroom
from meterseal_aggregator.app.trustees import open_trustees
from meterseal_aggregator.app.webserver import WebBounds, WebServer
from meterseal_aggregator.config import ConfigError
from meterseal_aggregator.intake.batch import Intake, Notary
from meterseal_aggregator.intake.beside.desk import BesideDesk
from meterseal_aggregator.intake.mqtt.admission import DoorLimits
from meterseal_aggregator.intake.mqtt.broker import Broker, BrokerSettings
from meterseal_aggregator.intake.mqtt.endpoint import Endpoint, EndpointSettings
from meterseal_aggregator.intake.port import (
    BesideMessage,
    Deliver,
    Incoming,
    Reply,
    TakeBeside,
    Uplink,
)
from meterseal_aggregator.jobs import Runner, tend
from meterseal_aggregator.market.documents.desk import Desk
from meterseal_aggregator.notices.duty import Mailroom
from meterseal_aggregator.privacy.errands.desk import ErrandDesk
from meterseal_aggregator.privacy.trustees.round import Office
from meterseal_aggregator.stacks.wallet.handover import ChainDoor
from meterseal_aggregator.web.listeners import LISTENERS, Listeners
from meterseal_proto.errors import Unavailable
from meterseal_proto.receipt import LOG_WITHIN_S

COLLECT_AFTER: Final = 50_000
"""New objects between two garbage collections: some batches of 4,000 messages."""
GOODBYE_S: Final = 2
"""How long a web request in hand may take to end when we stop."""
BACKLOG: Final = 128
_CHANCE: Final = random.SystemRandom()
_log = structlog.get_logger(__name__)

Say = Callable[[str], None]
"""Tells the person at the terminal one line."""


async def serve(house: House, say: Say) -> None:
    """Serve until SIGTERM or SIGINT; raises Unavailable when a port is taken."""
    async with (
        open_trustees(house) as office,
        members_door(house) as door,
        documents_desk(house.config.documents) as documents,
        open_mailroom(house.config.notices, house.real_now) as mailroom,
    ):
        await _serve(house, office, Doors(door, documents, mailroom), say)


@dataclass(frozen=True, slots=True)
class Doors:
    """What is beyond the house: the chain, who reads documents, the ways out for notices."""

    chain: ChainDoor | None
    documents: Desk
    mailroom: Mailroom


async def _serve(house: House, office: Office | None, doors: Doors, say: Say) -> None:
    stop = _stop_on_signals()
    config = house.config
    within_s = ceil(LOG_WITHIN_S * max(1.0, house.rate.speed))
    notary = Notary(house.keys.genesis, house.keys.receipt, within_s)
    intake = Intake(house.database, notary, house.now)
    gate = Gate(house) if config.mqtt.broker_url is None and config.mqtt.tls else None
    if gate is not None:
        await gate.refresh()
    shares = share(raise_limit())
    desk = BesideDesk(house.database, house.keys.genesis.network, house.now)
    door = DoorLimits(connections=shares.agents)
    errands = ErrandDesk(house.database, house.keys.genesis, house.now)
    uplink, mqtt = _uplink(house, gate, door, partial(_take_told, desk, errands))
    calm_the_collector()
    work = duties(house, Wires(partial(_tell, uplink), doors.mailroom, office))
    runner = Runner(house.database, uuid4().hex, house.real_now, chance=_CHANCE.random)
    with _listen(config.web.host, config.web.port) as web_socket:
        listeners = Listeners(min(LISTENERS, shares.web // 2))
        parts = WebParts(
            mqtt, uplink, desk.tally, intake.tally, runner.tallies, errands.tally,
            doors.chain, listeners, doors.documents,
        )  # fmt: skip
        bounds = web_bounds(shares.web, behind_proxy=config.web.behind_proxy)
        server = WebServer(_uvicorn_config(house, parts), bounds)
        tasks = {
            asyncio.create_task(uplink.run(naming_refusals(intake)), name="uplink"),
            asyncio.create_task(desk.run(), name="beside"),
            asyncio.create_task(errands.run(), name="private"),
            asyncio.create_task(server.serve([]), name="web"),
            asyncio.create_task(server.accept(web_socket), name="web-door"),
            *([asyncio.create_task(gate.run(), name="gate")] if gate else []),
            *(asyncio.create_task(tend(duty, runner), name=duty.name) for duty in work),
        }
        host, port = web_socket.getsockname()[:2]
        scheme = "https" if config.web.tls else "http"
        say(f"ready: {scheme}://{host}:{port} mqtt {mqtt} network {config.network}")
        try:
            await _until(stop, tasks)
        finally:
            _log.info("aggregator_stopping")
            server.should_exit = True
            listeners.close()
            await _end(tasks)
            intake.close()


def _take_told(desk: BesideDesk, errands: ErrandDesk, told: BesideMessage) -> bool:
    """Hand what is told beside the seals to whose it is."""
    if told.kind == "private":
        return errands.take(told.agent, told.payload)
    return desk.take(told)


def _tell(uplink: Uplink, agent: str, payload: bytes) -> bool:
    return uplink.tell(Reply(agent, payload))


def calm_the_collector() -> None:
    """Collect garbage rarely: a batch makes thousands of short-lived objects, no cycles."""
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER)


def naming_refusals(intake: Intake) -> Deliver:
    """Return intake's `deliver` that logs one line for a batch with refused messages."""

    async def deliver(messages: Sequence[Incoming]) -> Sequence[Reply]:
        before = intake.tally.reasons.copy()
        try:
            return await intake.deliver(messages)
        finally:
            refused = intake.tally.reasons - before
            if refused:
                reasons = {reason.text: count for reason, count in refused.items()}
                _log.warning(
                    "messages_refused", messages=len(messages), reasons=reasons
                )

    return deliver


async def _until(stop: asyncio.Event, tasks: set[asyncio.Task[None]]) -> None:
    """Wait for the signal; a task that ends before it is a failure and raises its own."""
    stopping = asyncio.create_task(stop.wait())
    try:
        done, _ = await asyncio.wait(
            {stopping, *tasks}, return_when=asyncio.FIRST_COMPLETED
        )
    finally:
        stopping.cancel()
    for task in done - {stopping}:
        task.result()
        raise Unavailable(f"{task.get_name()} ended by itself; see the log")


async def _end(tasks: set[asyncio.Task[None]]) -> None:
    for task in tasks:
        if task.get_name() != "web":
            task.cancel()
    _, late = await asyncio.wait(tasks, timeout=GOODBYE_S + 1)
    for task in late:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _stop_on_signals() -> asyncio.Event:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise Unavailable(_taken("web", host, port, error)) from error


def _uplink(
    house: House, gate: Gate | None, door: DoorLimits, told: TakeBeside
) -> tuple[Uplink, str]:
    """Return the adapter the configuration asks for, and the address agents are told."""
    mqtt = house.config.mqtt
    if mqtt.broker_url is not None:
        settings = broker_settings(house, mqtt.broker_url)
        where = f"{settings.host}:{settings.port}"
        return Broker(settings, told), mqtt.advertise or where
    server_tls = gate.context if gate else None
    endpoint = Endpoint(
        EndpointSettings(
            house.config.network, mqtt.host, mqtt.port, server_tls, door=door
        ),
        told,
    )
    try:
        endpoint.listen()
    except OSError as error:
        raise Unavailable(_taken("mqtt", mqtt.host, mqtt.port, error)) from error
    return endpoint, mqtt.advertise or f"{mqtt.host}:{endpoint.port}"


def broker_settings(house: House, url: str) -> BrokerSettings:
    """Return how to speak to the broker at `url`, mqtt[s]://HOST[:PORT].

    The shared subscription has a secret name: whoever joins it takes messages away.
    Raises ConfigError when a file for TLS cannot be used.
    """
    mqtt = house.config.mqtt
    parts = urlsplit(url)
    tls = parts.scheme == "mqtts"
    return BrokerSettings(
        network=house.config.network,
        host=parts.hostname or "127.0.0.1",
        port=parts.port or (8883 if tls else 1883),
        client_id=mqtt.client_id,
        tls=_client_tls(house) if tls else None,
        username=mqtt.username,
        password_file=mqtt.password_file,
        share=house.keys.broker_share,
    )


def _client_tls(house: House) -> ssl.SSLContext:
    mqtt = house.config.mqtt
    ca = mqtt.broker_ca or house.keys.ca_file
    try:
        context = ssl.create_default_context(cafile=str(ca))
        if mqtt.broker_tls is not None:
            context.load_cert_chain(mqtt.broker_tls.certificate, mqtt.broker_tls.key)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"[mqtt] broker TLS files cannot be used: {error}") from error
    return context


def web_bounds(connections: int, *, behind_proxy: bool) -> WebBounds:
    """Return the bounds of the API's door; a proxy counts addresses itself."""
    usual = WebBounds().from_one
    return WebBounds(connections, connections if behind_proxy else usual)


def _uvicorn_config(house: House, parts: WebParts) -> uvicorn.Config:
    web = house.config.web
    return uvicorn.Config(
        web_app(house, parts),
        log_config=None,
        access_log=False,
        server_header=False,
        lifespan="off",
        http="h11",
        ws="none",
        timeout_graceful_shutdown=GOODBYE_S,
        proxy_headers=web.behind_proxy,
        ssl_certfile=str(web.tls.certificate) if web.tls else None,
        ssl_keyfile=str(web.tls.key) if web.tls else None,
    )


def _taken(table: str, host: str, port: int, error: OSError) -> str:
    return (
        f"cannot listen on {host}:{port} ({error.strerror}): choose another port in"
        f" [{table}]"
    )
