"""What devices send in their lives, told by acts, and what an aggregator should say of it.

A `Life` is an open register's, a `HiddenLife` a committed one's. Every seal is made
beforehand, as a device would that hears each answer; whoever delivers them may do so in
any order, twice, or never the first time.
"""

from dataclasses import dataclass, field, replace

from meterseal_proto.errors import Reason
from meterseal_proto.units import Quality
from tests.support.committed import CommittedDevice, Day
from tests.support.devices import CAPACITY_W, Device, Sent

ACTS = ("tell", "tell", "tell", "several", "gap", "reset", "leap", "lie", "skip")
HIDDEN_ACTS = ("tell", "tell", "silent", "gap", "spoil", "spoil", "again", "skip")


@dataclass(slots=True)
class Life:
    """What a device sends in its life, told by `acts`; what the aggregator should say."""

    device: Device
    sent: list[Sent] = field(default_factory=list)
    accepted_wh: int = 0
    jumped_wh: int = 0

    def live(self, acts: list[str]) -> None:
        """Do one act after the other, each seal answered as the protocol says."""
        for number, act in enumerate(acts):
            getattr(self, f"_{act}")(number)

    def _send(self, sent: Sent, reason: Reason | None = None) -> None:
        self.sent.append(sent)
        if reason is None:
            self.accepted_wh += sum(r.delta for r in sent.seal.records)
        self.device.answered(sent, reason)

    def _tell(self, number: int) -> None:
        self._send(self.device.seal(self.device.records([number])))

    def _several(self, number: int) -> None:
        self._send(self.device.seal(self.device.records([number, 0, 7])))

    def _gap(self, number: int) -> None:
        one = self.device
        late = replace(one.records([number])[0], start=one.head.end + one.step)
        self._send(one.seal([late]), Reason.GAP)
        long = 2 * one.step
        (record,) = replace(one, step=long).records(
            [number], quality=Quality.QUESTIONABLE
        )
        self._send(one.seal([record], one.next_header(one.head.end, long)))

    def _reset(self, number: int) -> None:
        one = self.device
        if one.head.value > number:
            self.jumped_wh += number - one.head.value
            record = replace(one.records([0])[0], value=number)
            self._send(one.seal([record]), Reason.BACKWARD_REGISTER)

    def _leap(self, _: int) -> None:
        one = self.device
        self._send(one.seal(one.records([CAPACITY_W])), Reason.CAPACITY)

    def _lie(self, number: int) -> None:
        record = replace(self.device.records([number])[0], quality=Quality.REVENUE)
        self._send(self.device.seal([record]), Reason.INCONSISTENT)

    def _skip(self, number: int) -> None:
        one = self.device
        header = one.next_header(one.head.end)
        self._send(one.seal(one.records([number]), replace(header, seq=header.seq + 3)))


@dataclass(frozen=True, slots=True)
class Told:
    """A day that was told; `heard` is the day whose proof the device first hears failed."""

    day: Day
    answer: Reason | None = None
    heard: bytes | None = None


@dataclass(slots=True)
class HiddenLife:
    """What a committed register's device sends; `answer` is what it hears in the end."""

    device: CommittedDevice
    sent: list[Told] = field(default_factory=list)
    _failed: list[tuple[Day, int]] = field(default_factory=list)
    """Days whose last telling has a wrong proof, each with what it was told to hold."""

    def live(self, acts: list[str]) -> None:
        """Do one act after the other, each day answered as the protocol says."""
        for number, act in enumerate(acts):
            getattr(self, f"_{act}")(number)

    def _send(self, day: Day, reason: Reason | None = None) -> None:
        self.sent.append(Told(day, reason))
        self.device.answered(day, reason)

    def _tell(self, number: int) -> None:
        self._send(self.device.day([number]))

    def _silent(self, _: int) -> None:
        self._send(self.device.day([None]))

    def _gap(self, number: int) -> None:
        one = self.device
        self._send(one.day([number], one.head.end + one.step), Reason.GAP)

    def _skip(self, number: int) -> None:
        one = self.device
        ahead = replace(one, head=replace(one.head, seq=one.head.seq + 3))
        self._send(ahead.day([number]))

    def _spoil(self, number: int) -> None:
        """Tell a day whose range proof proves nothing: it is receipted, and fails later."""
        day = self._spoilt(self.device.day([number]))
        self.sent.append(Told(day, Reason.PROOF))
        self.device.answered(day)
        self._failed.append((day, number))

    def _again(self, _: int) -> None:
        """Tell the oldest failed day with the next revision, once its failure was heard."""
        if self._failed:
            bad, number = self._failed.pop(0)
            header = bad.seal.header
            day = self.device.day([number], header.first, bad.seal.revision + 1)
            self.sent.append(Told(day, heard=bad.digest))
            self.device.answered(day)

    def _spoilt(self, day: Day) -> Day:
        proof = bytearray(day.seal.envelope.parcel.proof)
        proof[-1] ^= 1
        return self.device.with_proof(day, bytes(proof))
