"""How meters that speak in telegrams behave on their wire, apart from M-Bus.

A P1 port, a SML head and a D0 head that pushes speak of their own accord; a D0 head
in mode C (IEC 62056-21, 6.4) waits for a sign-on and changes its baud. Must never
put a byte on the wire before its time.
"""

import asyncio
import re
from dataclasses import dataclass, replace

from meterseal_sim.faults import Answer, damaged_telegram
from meterseal_sim.serve.ports import Gone, Port
from meterseal_sim.serve.speakers import Speaker
from meterseal_sim.serve.wire import Wire

SIGN_ON = re.compile(rb"/\?0*(\d*)!\r?\n")
"""With a device address only the meter with that serial number answers (6.3.1)."""
OPTION_SELECT = re.compile(rb"\x06(.)(.)(.)\r\n", re.DOTALL)
SEVEN_BITS = 0x7F
BAUDS = {
    b"0": 300,
    b"1": 600,
    b"2": 1200,
    b"3": 2400,
    b"4": 4800,
    b"5": 9600,
    b"6": 19200,
}
"""The baud letters of mode C (IEC 62056-21, 6.3.14)."""
REACTION_S = 0.2
"""At least this long after a sign-on or an acknowledgement (6.4.3.2)."""
PATIENCE_S = 1.5
"""Without an acknowledgement in this time the meter reads out at 300 baud (6.4.4)."""
MAX_HEARD = 64
"""More than a sign-on has; the rest is noise."""


@dataclass(frozen=True, slots=True)
class Push:
    """Speaks every `interval_s`, whoever listens."""

    interval_s: float

    async def run(self, port: Port, speaker: Speaker, wire: Wire) -> None:
        """Speak until the port is gone."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        (unit,) = speaker.units()
        listening = asyncio.create_task(_gone(port))
        try:
            while not listening.done():
                await _say(port, wire, speaker.tell(unit))
                # A telegram that takes longer than the interval is followed at once.
                due = max(due + self.interval_s, loop.time())
                await asyncio.wait({listening}, timeout=due - loop.time())
        finally:
            listening.cancel()


@dataclass(frozen=True, slots=True)
class ModeC:
    """An optical head: sign-on at the wire's pace, data at the acknowledged one."""

    async def run(self, port: Port, speaker: Speaker, wire: Wire) -> None:
        """Answer readers until the port is gone."""
        (unit,) = speaker.units()
        try:
            while True:
                asked = await _heard(port, wire, SIGN_ON, None)
                if asked is None or asked.group(1) not in speaker.plate(unit):
                    continue
                answer = speaker.tell(unit)
                if answer.pdu is None:
                    continue
                sign_on, data = _parted(answer.pdu)
                await wire.rest(REACTION_S)
                await wire.send(port, sign_on)
                faster = await _acknowledged(port, wire, sign_on)
                await faster.rest(REACTION_S)
                await _say(port, faster, replace(answer, pdu=data))
        except Gone:
            return


async def _acknowledged(port: Port, wire: Wire, sign_on: bytes) -> Wire:
    """Return the wire at the baud that was agreed on; at the old one without."""
    heard = await _heard(port, wire, OPTION_SELECT, PATIENCE_S)
    asked = heard.group(2) if heard is not None else b"0"
    baud = BAUDS.get(asked, wire.pace.baud)
    if asked != sign_on[4:5] and asked != b"0":
        baud = wire.pace.baud
    return Wire(replace(wire.pace, baud=baud)) if asked != b"0" else wire


async def _heard(
    port: Port, wire: Wire, wanted: re.Pattern[bytes], patience_s: float | None
) -> re.Match[bytes] | None:
    """Return the match as soon as it has come; None when patience is over."""
    heard = b""
    try:
        async with asyncio.timeout(patience_s):
            while True:
                chunk = await port.receive()
                wire.took(len(chunk), port)
                heard += bytes(byte & SEVEN_BITS for byte in chunk)
                found = wanted.search(heard)
                if found is not None:
                    return found
                heard = heard[-MAX_HEARD:]
    except TimeoutError:
        return None


def _parted(telegram: bytes) -> tuple[bytes, bytes]:
    """Return the identification line and what follows it."""
    end = telegram.find(b"\n") + 1
    return telegram[:end], telegram[end:].lstrip(b"\r\n")


async def _say(port: Port, wire: Wire, answer: Answer) -> None:
    if answer.delay_s:
        await asyncio.sleep(answer.delay_s)
    if answer.pdu is not None:
        await wire.send(port, damaged_telegram(answer.pdu, answer.damage))


async def _gone(port: Port) -> None:
    """Wait until the port is gone; what a listener sends is not heard."""
    try:
        while True:
            await port.receive()
    except Gone:
        return
