"""What is asked of a unit and what its answer says, as Modbus PDUs.

Pure. Modbus Application Protocol V1.1b3, sections 6.3 (read holding registers), 6.4 (read
input registers), 6.12 (write multiple registers) and 7 (exceptions). An answer must fit its
question to the last byte, or it is none.
"""

import struct
from dataclasses import dataclass
from typing import Final, Self

from meterseal_agent.meters.planner import Block
from meterseal_proto.errors import Unavailable

READ_HOLDING: Final = 3
READ_INPUT: Final = 4
WRITE_MANY: Final = 16
EXCEPTION: Final = 0x80
"""Set in an answer's function code when the unit refuses."""
UNMAPPED: Final = frozenset({2, 3})
"""Section 7: illegal data address, illegal data value."""
TARGET_SILENT: Final = 11
"""Section 7: the gateway's target device failed to respond."""
MAX_WRITE: Final = 123
"""Section 6.12: registers of one request."""


class Refused(Unavailable):
    """The unit answered with a Modbus exception; `code` is its exception code."""

    def __init__(self, detail: str, code: int) -> None:
        super().__init__(detail)
        self.code = code


class Garbled(Unavailable):
    """Something answered, but not what was asked.

    `noise` tells that no checksum fitted: a bad line, or two units at one address.
    """

    def __init__(self, detail: str, *, noise: bool = False) -> None:
        super().__init__(detail)
        self.noise = noise


@dataclass(frozen=True, slots=True)
class Request:
    """One question: `count` registers from the 0-based PDU address `address`.

    `values` are the 16-bit words to write, empty for a reading.
    """

    function: int
    address: int
    count: int
    values: tuple[int, ...] = ()

    @classmethod
    def read(cls, function: int, block: Block) -> Self:
        """Ask for a block of holding (function 3) or input registers (4)."""
        if function not in {READ_HOLDING, READ_INPUT}:
            raise ValueError(f"function {function} reads no registers: take 3 or 4")
        return cls(function, block.address, block.count)

    @classmethod
    def write_many(cls, address: int, values: tuple[int, ...]) -> Self:
        """Write 1 to 123 holding registers by function 16."""
        if not 1 <= len(values) <= MAX_WRITE:
            raise ValueError(f"one request writes 1 to {MAX_WRITE} registers")
        return cls(WRITE_MANY, address, len(values), values)

    def pdu(self) -> bytes:
        """Return the request as it goes out, without unit and checksum."""
        head = struct.pack(">BHH", self.function, self.address, self.count)
        if not self.values:
            return head
        words = struct.pack(f">{self.count}H", *self.values)
        return head + bytes([len(words)]) + words

    @property
    def answer_size(self) -> int:
        """How many bytes the PDU of a proper answer has."""
        return 5 if self.values else 2 + 2 * self.count

    def words(self, answer: bytes, where: str) -> tuple[int, ...]:
        """Return the registers an answer's PDU holds, those written for a write.

        Raises Refused for an exception, Garbled when the answer is none to this.
        """
        if len(answer) == 2 and answer[0] == self.function | EXCEPTION:
            raise Refused(
                f"{where} answered exception {answer[1]} to {self}", answer[1]
            )
        if self.values and answer == self.pdu()[:5]:
            return self.values
        head = bytes([self.function, 2 * self.count & 0xFF])
        fits = len(answer) == self.answer_size and answer[:2] == head
        if self.values or not fits:
            raise Garbled(f"{where}: the answer does not fit the question")
        return struct.unpack(f">{self.count}H", answer[2:])

    def __str__(self) -> str:
        deed = "writing " if self.values else ""
        return f"{deed}{self.count} registers at {self.address}"
