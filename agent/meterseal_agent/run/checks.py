"""Every part tried once, one line each: what `meterseal-agent check` prints.

It reads meters and shakes the broker's hand, and must never change anything: no
message is published, no session of the running agent is taken over.
"""

import asyncio
import importlib.util
import ssl
from collections.abc import Awaitable, Callable
from typing import Final

from meterseal_agent.config import Config, ConfigError
from meterseal_agent.keystore import Keystore, KeystoreError
from meterseal_agent.resident.address import Address
from meterseal_agent.run import meters
from meterseal_agent.run.enrolment import Enrolment
from meterseal_agent.run.times import Times
from meterseal_agent.seal.seeds import NotPinned, pinned
from meterseal_agent.uplink.address import Tls
from meterseal_proto.errors import Unavailable
from meterseal_proto.units import obis_text

BROKER_S: Final = 10.0
Say = Callable[[str], None]


async def check_all(config: Config, times: Times, say: Say) -> int:
    """Print one line for each part; return 0 when all is well, else 1."""
    say("ok    configuration")
    good = [await _line("keystore", _keystore(config), say)]
    if config.trustees:
        good.append(await _line("trustees", check_trustees(config), say))
    good += [
        await _line("clock", _clock(times), say),
        *[
            await _meter(wired, times, say)
            for wired in meters.wire(config.meters, times)
        ],
        await _line("broker", _broker(config), say),
    ]
    if config.resident is not None:
        good.append(await _line("page", _page(config, config.resident), say))
    return 0 if all(good) else 1


async def _line(name: str, work: Awaitable[str], say: Say) -> bool:
    try:
        text = await work
    except (ConfigError, KeystoreError, Unavailable) as error:
        say(f"FAIL  {name}: {error}")
        return False
    say(f"ok    {name}: {text}")
    return True


async def _keystore(config: Config) -> str:
    store = Keystore(config.data_dir)
    keys = store.keys()
    return f"key epoch {keys.epoch}, public key {keys.seal_key.public.raw.hex()}"


async def check_trustees(config: Config) -> str:
    """Say that the enrolment's trustees are those written down; ConfigError otherwise."""
    told = Keystore(config.data_dir).enrolled().trustee_keys
    try:
        found = pinned(told, config.trustees)
    except NotPinned as error:
        raise ConfigError(str(error)) from error
    return f"the {len(found)} of the enrolment are those configured"


async def _clock(times: Times) -> str:
    if not times.synchronised():
        raise Unavailable(
            "no time service keeps this clock; nothing is sealed before one does "
            "(install chrony, or set assume_clock = true if you vouch for it)"
        )
    return "kept by a time service"


async def _meter(wired: meters.Wired, times: Times, say: Say) -> bool:
    async def read() -> str:
        try:
            sample = await wired.port.read(int(times.now()))
        finally:
            wired.line.close()
        shown = meters.sealed(wired, sample)
        values = [f"{obis_text(r)} = {value}" for r, value in shown.items()]
        power = "" if sample.power_w is None else f", {sample.power_w} W"
        return ", ".join(values) + power

    return await _line(f"meter {wired.config.serial}", read(), say)


async def _broker(config: Config) -> str:
    enrolment = Enrolment.load(config)
    where = f"{enrolment.address.host}:{enrolment.address.port}"
    context = _context(enrolment.address.tls)
    try:
        async with asyncio.timeout(BROKER_S):
            _, writer = await asyncio.open_connection(
                enrolment.address.host, enrolment.address.port, ssl=context
            )
    except (OSError, TimeoutError) as error:
        raise Unavailable(f"{where}: {str(error) or 'no answer'}") from error
    writer.close()
    return f"{where} answers{' over TLS' if context else ''} as agent {enrolment.answer.agent}"


async def _page(config: Config, address: Address) -> str:
    """Look whether the resident's page could be served; a running agent has its port."""
    if importlib.util.find_spec("h11") is None:
        raise Unavailable("it needs: pip install 'meterseal[resident]'")
    if not Keystore(config.data_dir).paths.resident_pin.exists():
        raise Unavailable("it has no PIN yet: run meterseal-agent resident-pin")
    return f"{address.url}, with a PIN"


def _context(tls: Tls | None) -> ssl.SSLContext | None:
    if tls is None:
        return None
    context = ssl.create_default_context(cafile=str(tls.ca))
    context.load_cert_chain(str(tls.certificate), str(tls.key))
    return context
