"""The rules a sealed message passes, in the order that is part of the protocol.

A `Chain` is one register's side of the story: where its chain of seals stands (`head`)
and which earlier sequence numbers were asked about (`known`). Seals of a register are
shown to it in order of `seq`, each twice:

    verdict = chain.before(offer, now)         # cheap checks; None: check the signature
    verdict = chain.after(offer, fault)        # fault: None when the signature is right

`before` decides what needs no signature: whose meter it is, whether this very seal was
already answered, whether a key speaks for the seq, the time window, the seq. `after`
decides the rest and moves the head, so it must see every offer that `before` let pass,
in the same order. Between the two a batch checks all its signatures at once.

- Only what a verified signature stands behind is refused for good (`Reason.final`): a
  seal that is too old is judged before its signature, and told so after it.
- A seal is known by its header hash alone, so a twin with other signature bytes (high s)
  is a duplicate, answered as the first one was, even when its window or key has passed.
- Another header at a sequence number of the chain, or a second telling of time already
  accounted for, is equivocation: nothing moves, both are kept, the time never mints.
- A seal that is signed but not plausible is quarantined: the chain goes on over it, the
  energy is not counted, and the device closes the hole with one long record.
- A device's correction of an accepted interval (revision above 0) is quarantined as
  inconsistent: to conserve energy it would have to retell the register on both sides,
  and no device of this protocol version does.

Nothing here reads a clock, a disk or a wire, and nothing is ever accepted by default:
every way out of `after` other than the last one is a refusal with a reason.
"""

from collections.abc import Container
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, NamedTuple, Self

from meterseal_aggregator.intake.allowance import LINKS_A_DAY, Allowance
from meterseal_aggregator.intake.committed import objection, reaches_back
from meterseal_aggregator.privacy.model import Telling
from meterseal_aggregator.registry.model import Claim, KeyValidity
from meterseal_proto.committed import CommittedSeal
from meterseal_proto.errors import Reason
from meterseal_proto.seal import Head, Header, OpenRecord, Seal
from meterseal_proto.units import Quality, plausible_wh

PAST_S: Final = 130 * 86_400
"""A reading may be this old: the 90 days an outbox holds, and time to repair the Pi."""
FUTURE_S: Final = 300
"""How far a device's clock may run ahead: one shortest interval."""
LONG_PAST_S: Final = 400 * 86_400
"""A hole-closing record may begin as early as edits reach back: it never mints."""
MAX_SKIP: Final = 1 << 20
"""How far beyond the head a seq may be: thirty years of quarter hours that were refused,
and no seal uses up the numbers of the register's whole life."""

_DEVICE_QUALITIES: Final = frozenset({Quality.RAW, Quality.QUESTIONABLE})


class Fate(Enum):
    """What became of a seal."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    QUARANTINED = "quarantined"
    REFUSED = "refused"


class Verdict(NamedTuple):
    """A seal's fate; `reason` is None only for what is accepted, now or before."""

    fate: Fate
    reason: Reason | None = None
    detail: str = ""


ACCEPTED: Final = Verdict(Fate.ACCEPTED)
DUPLICATE: Final = Verdict(Fate.DUPLICATE)


@dataclass(slots=True)
class Offer:
    """A decoded seal on its way through the rules: whose it is said to be, and its hash."""

    agent: str
    payload: bytes
    seal: Seal | CommittedSeal
    consensus: bytes
    digest: bytes
    key: KeyValidity | None = None
    """The key whose signature is to be checked; set by `before`."""
    late: str = ""
    """Why it is too old, if it is; set by `before`, told once the signature is right."""


class Link(NamedTuple):
    """A seal that is part of the chain: accepted (`reason` None) or quarantined.

    [`first`, `until`) is the time it tells of, (0, 0) where it was not accepted.
    """

    digest: bytes
    reason: Reason | None
    first: int
    until: int


@dataclass(slots=True)
class Chain:
    """One register before, during and after a batch; see the module's contract.

    `known` must hold every link whose seq is offered and not above `head.seq`.
    """

    claim: Claim
    head: Head
    known: dict[int, Link] = field(default_factory=dict)
    told: dict[int, Telling] = field(default_factory=dict)
    """Of a committed register, the last telling of each day that a revision is offered of."""
    allowance: Allowance = field(default_factory=Allowance)
    """Shared by the registers of an agent."""
    _expected: set[bytes] = field(default_factory=set)

    @classmethod
    def of(
        cls, claim: Claim, head: Head | None, allowance: Allowance | None = None
    ) -> Self:
        """Return the chain that stands at `head`; without one, at the register's enrolment."""
        start = Head(0, claim.enrolment_hash, claim.initial_at, claim.initial_value)
        chain = cls(claim, start if head is None else head)
        chain.allowance = allowance or chain.allowance
        return chain

    def before(self, offer: Offer, now: int) -> Verdict | None:
        """Return the verdict that needs no signature, or None to have `offer.key` checked."""
        header = offer.seal.header
        if offer.agent != self.claim.agent:
            return _refused(
                Reason.UNKNOWN_METER, "the meter is enrolled for another agent"
            )
        link = self.known.get(header.seq)
        if link is not None and link.digest == offer.digest:
            return _again(link)
        fits = header.mode == self.claim.mode and header.bits == self.claim.bits
        offer.key = speaking(self.claim, header.seq) if fits else None
        if offer.key is None:
            return _refused(*_keyless(self.claim, header))
        if header.end > now + FUTURE_S:
            return _refused(Reason.TOO_EARLY, f"it ends at {header.end}, seen at {now}")
        if too_old(offer.seal, self.claim.step, now):
            offer.late = f"{header.first} to {header.end}, seen at {now}"
        if link is not None or offer.late:
            return None
        misplaced = self._misplaced(header, self._expected)
        if misplaced is None:
            self._expected.add(offer.digest)
        return misplaced

    def after(self, offer: Offer, fault: Reason | None) -> Verdict:
        """Return the verdict and move the head; `fault` says what is wrong with the signature."""
        header = offer.seal.header
        link = self.known.get(header.seq)
        if link is not None and link.digest == offer.digest:
            return _again(link)
        misplaced = None if link or offer.late else self._misplaced(header, ())
        if misplaced is not None:
            return misplaced
        if fault is not None:
            return _refused(fault, f"seq {header.seq}")
        if offer.late:
            return _refused(Reason.TIME_WINDOW, offer.late)
        if link is not None:
            return _refused(Reason.EQUIVOCATION, f"seq {header.seq} was signed twice")
        verdict = self._worth(offer.seal)
        if verdict.fate is Fate.REFUSED:
            return verdict
        self.head = self.head.after(
            header, offer.digest, self._value_after(offer.seal), verdict.reason
        )
        if verdict.fate is Fate.ACCEPTED:
            link = Link(offer.digest, None, header.first, header.end)
        else:
            link = Link(offer.digest, verdict.reason, 0, 0)
        self.known[header.seq] = link
        return verdict

    def _misplaced(self, header: Header, expected: Container[bytes]) -> Verdict | None:
        """Say why a seal is not next in the chain, nor follows one that is `expected`."""
        stands = self.head.seq
        if header.seq <= stands:
            detail = f"seq {header.seq}, the chain stands at {stands}"
            return _refused(Reason.REPLAYED_SEQ, detail)
        if header.seq > stands + MAX_SKIP:
            detail = f"seq {header.seq} is too far beyond {stands}"
            return _refused(Reason.OUT_OF_ORDER, detail)
        if header.prev != self.head.hash and header.prev not in expected:
            detail = f"seq {header.seq} does not follow {stands}"
            return _refused(Reason.OUT_OF_ORDER, detail)
        return None

    def _value_after(self, seal: Seal | CommittedSeal) -> int:
        """Return the register a seal leaves; a committed one shows none."""
        return seal.records[-1].value if isinstance(seal, Seal) else self.head.value

    def _worth(self, seal: Seal | CommittedSeal) -> Verdict:
        """Return what a seal is worth, come again where there is no room to set it aside."""
        verdict = self._weigh(seal)
        if verdict.fate is Fate.QUARANTINED and not self.allowance.take():
            detail = f"{LINKS_A_DAY} seals of this agent were set aside today"
            return _refused(Reason.TOO_EARLY, detail)
        return verdict

    def _weigh(self, seal: Seal | CommittedSeal) -> Verdict:
        """Return what a rightly signed seal that is next in the chain is worth."""
        if not isinstance(seal, Seal):
            return self._weigh_day(seal)
        header, told_to = seal.header, self.head.end
        first, end = header.first, header.end
        if max([record.revision for record in seal.records]):
            return _quarantined(
                Reason.INCONSISTENT, "devices do not revise accepted intervals"
            )
        if not on_register_grid(header, self.claim.step):
            return _quarantined(
                Reason.OFF_GRID, f"{header.count} of {header.step} s from {first}"
            )
        if first < told_to and self.claim.initial_at < end:
            return _refused(Reason.EQUIVOCATION, f"{first} is told a second time")
        if first != told_to:
            return _quarantined(Reason.GAP, f"starts at {first}, not at {told_to}")
        return doubt(seal, self.head.value, self.claim) or ACCEPTED

    def _weigh_day(self, seal: CommittedSeal) -> Verdict:
        """Return what a committed register's day is worth, and remember it as told."""
        header = seal.header
        found = objection(seal, self.head, self.claim, self.told.get(header.first))
        if found is None:
            told = Telling(header.count, seal.revision, failed=False)
            self.told[header.first] = told
            return ACCEPTED
        if found.reason is Reason.EQUIVOCATION:
            return _refused(*found)
        return _quarantined(*found)


def speaking(claim: Claim, seq: int) -> KeyValidity | None:
    """Return the key that speaks for `seq`; the registry keeps their spans apart."""
    for key in claim.keys:
        if key.from_seq <= seq and (key.to_seq is None or seq <= key.to_seq):
            return key
    return None


def fault_of(claim: Claim, seq: int, digest: bytes, signature: bytes) -> Reason:
    """Name what is wrong with a signature that the speaking key did not make.

    Only the keys just before and just after it are tried: a device is at most one
    rotation out of step, and a wrong signature must not cost as many checks as the
    meter ever had keys.
    """
    earlier = [key for key in claim.keys if key.to_seq is not None and key.to_seq < seq]
    later = [key for key in claim.keys if key.from_seq > seq]
    last = max(earlier, key=_from_seq, default=None)
    if last is not None and last.public.verify(digest, signature):
        return Reason.KEY_REVOKED
    following = min(later, key=_from_seq, default=None)
    if following is not None and following.public.verify(digest, signature):
        return Reason.KEY_NOT_YET_VALID
    return Reason.BAD_SIGNATURE


def _from_seq(key: KeyValidity) -> int:
    return key.from_seq


def too_old(seal: Seal | CommittedSeal, step: int, now: int) -> bool:
    """Tell whether time is told that lies before now - 130 d.

    One record longer than the register's `step` closes a hole and may begin earlier; so
    may a committed day that tells nothing, and one that is told again.
    """
    header = seal.header
    if header.first >= now - PAST_S:
        return False
    if not isinstance(seal, Seal):
        return header.first < now - LONG_PAST_S or not reaches_back(seal)
    closes_hole = header.count == 1 and header.step > step
    told_long_ago = header.first < now - LONG_PAST_S or header.end < now - PAST_S
    return told_long_ago or not closes_hole


def on_register_grid(header: Header, step: int) -> bool:
    """Tell whether the records lie on the register's grid, or are one that closes a hole."""
    if header.first % step or header.step % step:
        return False
    return header.step == step or header.count == 1


def doubt(seal: Seal, value: int, claim: Claim) -> Verdict | None:
    """Return the quarantine for records that do not continue from the register `value`."""
    length = seal.header.step
    for record in seal.records:
        if record.value < value:
            return _quarantined(
                Reason.BACKWARD_REGISTER, f"{value} to {record.value} at {record.start}"
            )
        if value + record.delta != record.value or not _told_by_device(
            record, is_long=length != claim.step
        ):
            return _quarantined(
                Reason.INCONSISTENT,
                f"{value} + {record.delta} to {record.value},"
                f" quality {record.quality} at {record.start}",
            )
        value = record.value
    most = max([record.delta for record in seal.records])
    if most > plausible_wh(claim.capacity_w, length):
        return _quarantined(
            Reason.CAPACITY, f"{most} in {length} s, capacity {claim.capacity_w} W"
        )
    return None


def _told_by_device(record: OpenRecord, *, is_long: bool) -> bool:
    if is_long:
        return record.quality == Quality.QUESTIONABLE
    return record.quality in _DEVICE_QUALITIES


def _keyless(claim: Claim, header: Header) -> tuple[Reason, str]:
    """Say why no key of the register can have made such a seal."""
    seq = header.seq
    if (header.mode, header.bits) != (claim.mode, claim.bits):
        told = f"mode {claim.mode} with {claim.bits} bits"
        return Reason.MODE, f"the register is enrolled for seals of {told}"
    if any(key.from_seq <= seq for key in claim.keys):
        return Reason.KEY_REVOKED, f"no key speaks for seq {seq} any more"
    return Reason.KEY_NOT_YET_VALID, f"no key speaks for seq {seq} yet"


def _again(link: Link) -> Verdict:
    if link.reason is None:
        return DUPLICATE
    return Verdict(Fate.DUPLICATE, link.reason)


def _refused(reason: Reason, detail: str) -> Verdict:
    return Verdict(Fate.REFUSED, reason, detail)


def _quarantined(reason: Reason, detail: str) -> Verdict:
    return Verdict(Fate.QUARANTINED, reason, detail)
