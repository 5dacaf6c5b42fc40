"""The M-Bus slave's side of the link: who is meant, and what goes back.

EN 13757-2 (link layer) and EN 13757-7 (secondary addresses). Several slaves may be
selected at once; their answers then lie on each other. Must never answer a broadcast.
"""

import asyncio
from dataclasses import dataclass, field
from functools import reduce

from meterseal_sim.faults import Answer, damaged_telegram
from meterseal_sim.serve.ports import Gone, Port
from meterseal_sim.serve.speakers import Speaker
from meterseal_sim.serve.wire import Wire

ACKNOWLEDGED = b"\xe5"
SHORT, LONG, STOP = 0x10, 0x68, 0x16
SHORT_BYTES = 5
LONG_EXTRA = 6
RESET = 0x40
"""SND_NKE: the link is to begin anew; a selection ends."""
REQUESTS = frozenset({0x5B, 0x7B})
"""REQ_UD2, with either frame count bit."""
SENDS = frozenset({0x53, 0x73})
"""SND_UD, with either frame count bit."""
SELECT = 0x52
"""CI field: who has this secondary address is selected."""
SELECTED, TO_ALL_WITH_ANSWER, TO_ALL = 253, 254, 255
GAP_S = 0.1
"""A frame that is not whole this long after its last byte is noise."""
ANSWER_BITS = 11
"""A slave waits at least this many bit times before it answers (EN 13757-2, 5.7)."""
ID_BYTES, ADDRESS_BYTES = 4, 8
ANY_NIBBLE, ANY_BYTE = 0xF, 0xFF


@dataclass(slots=True)
class Slaves:
    """The slaves of one bus and which of them are selected."""

    speaker: Speaker
    selected: frozenset[int] = field(default_factory=frozenset)

    def meant(self, address: int) -> list[int]:
        """Return the units that a primary address means."""
        if address == SELECTED:
            return sorted(self.selected)
        everybody = list(self.speaker.units())
        if address in (TO_ALL, TO_ALL_WITH_ANSWER):
            return everybody
        return [unit for unit in everybody if self._primary(unit) == address]

    def select(self, wanted: bytes) -> list[int]:
        """Select who has the secondary address; `F` nibbles and FF bytes fit all."""
        found = [unit for unit in self.speaker.units() if self._fits(unit, wanted)]
        self.selected = frozenset(found)
        return found

    def _primary(self, unit: int) -> int:
        plate = self.speaker.plate(unit)
        return plate[5] if len(plate) > SHORT_BYTES else unit

    def _fits(self, unit: int, wanted: bytes) -> bool:
        own = self.speaker.plate(unit)[7 : 7 + ADDRESS_BYTES]
        if len(own) < ADDRESS_BYTES or len(wanted) != ADDRESS_BYTES:
            return False
        digits = zip(own[:ID_BYTES].hex(), wanted[:ID_BYTES].hex(), strict=True)
        rest = zip(own[ID_BYTES:], wanted[ID_BYTES:], strict=True)
        return all(
            want == mine or int(want, 16) == ANY_NIBBLE for mine, want in digits
        ) and all(want in (mine, ANY_BYTE) for mine, want in rest)


@dataclass(frozen=True, slots=True)
class SlaveLink:
    """Answers a master's frames until the port is gone."""

    async def run(self, port: Port, speaker: Speaker, wire: Wire) -> None:
        """Serve one master."""
        slaves = Slaves(speaker)
        try:
            while True:
                frame = await _frame(port, wire)
                answers = _answers(slaves, frame)
                if not answers:
                    continue
                delay_s = max(answer.delay_s for answer in answers)
                await wire.rest(ANSWER_BITS / wire.pace.baud + delay_s)
                await wire.send(port, _together(answers))
        except Gone:
            return


def _answers(slaves: Slaves, frame: bytes) -> list[Answer]:
    """Return what each slave that is meant says to a frame; a bad frame means nobody."""
    content = _content(frame)
    if content is None:
        return []
    control, address, rest = content
    if control in SENDS and address == SELECTED and rest[:1] == bytes((SELECT,)):
        return [Answer(ACKNOWLEDGED) for _ in slaves.select(rest[1:])]
    meant = slaves.meant(address)
    if control == RESET and address == SELECTED:
        slaves.selected = frozenset()
    if address == TO_ALL:
        return []
    if control in REQUESTS:
        return [slaves.speaker.tell(unit) for unit in meant]
    if control == RESET or control in SENDS:
        return [Answer(ACKNOWLEDGED) for _ in meant]
    return []


def _content(frame: bytes) -> tuple[int, int, bytes] | None:
    """Return control, address and data of a frame whose checksum is right."""
    if not frame or frame[-1] != STOP:
        return None
    body = frame[1:-2] if frame[0] == SHORT else frame[4:-2]
    if len(body) < 2 or sum(body) % 256 != frame[-2]:
        return None
    return body[0], body[1], body[2:]


async def _frame(port: Port, wire: Wire) -> bytes:
    """Return the next frame by its length, or what came before a silence."""
    heard = b""
    while len(heard) < _length(heard):
        try:
            async with asyncio.timeout(GAP_S if heard else None):
                chunk = await port.receive()
        except TimeoutError:
            return b""
        wire.took(len(chunk), port)
        heard += chunk
    return heard[: _length(heard)]


def _length(head: bytes) -> int:
    if not head:
        return 1
    if head[0] == SHORT:
        return SHORT_BYTES
    if head[0] != LONG:
        return 1
    return head[1] + LONG_EXTRA if len(head) > 1 else 2


def _together(answers: list[Answer]) -> bytes:
    """Return what the master hears: answers at the same time lie on each other.

    A slave sends a 0 by drawing more current, so a 0 of any of them is heard.
    """
    frames = [
        damaged_telegram(answer.pdu, answer.damage)
        for answer in answers
        if answer.pdu is not None
    ]
    if not frames:
        return b""
    longest = max(len(frame) for frame in frames)
    padded = [frame.ljust(longest, b"\xff") for frame in frames]
    return bytes(reduce(int.__and__, column) for column in zip(*padded, strict=True))
