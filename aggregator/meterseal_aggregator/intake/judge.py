"""A batch through the rules: open, first look, signatures, second look; no database here.

    offers, spoiled = open_all(messages, network, chain_id)
    trial = first_look(offers, chains, now)        # chains: what the database knows
    faults = ...                                   # faults_of(part) in several threads
    judged = trial.judged + second_look(trial.pending, faults)

Every function here is plain work on values and is run in a thread, so the event loop
stays free. A message that cannot be decoded is `Spoiled`: it names no seal that could
be answered. This module must never let an exception of one message reach the batch.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from meterseal_aggregator.intake.accept import (
    Chain,
    Fate,
    Offer,
    Verdict,
    fault_of,
)
from meterseal_aggregator.intake.port import Incoming
from meterseal_proto import curve, sip018
from meterseal_proto.committed import CommittedSeal
from meterseal_proto.committed_message import decode_any
from meterseal_proto.errors import Reason, Rejected
from meterseal_proto.keys import Algorithm
from meterseal_proto.seal import DOMAIN_NAME, DOMAIN_VERSION, Head
from meterseal_proto.units import MeterId, RegisterId

RegisterKey = tuple[MeterId, RegisterId]
"""A register's name in a message: meter id and register."""
_UNKNOWN: Final = Verdict(
    Fate.REFUSED, Reason.UNKNOWN_METER, "no such meter and register is enrolled"
)


class Spoiled(NamedTuple):
    """A payload that is no seal, with the reason it was not taken."""

    agent: str
    payload: bytes
    reason: Reason
    detail: str


class Judged(NamedTuple):
    """A seal with its verdict; `was` is the register's head before it, if there is one."""

    offer: Offer
    verdict: Verdict
    chain: Chain | None
    was: Head | None


class Pending(NamedTuple):
    """A seal whose signature is to be checked, with its register."""

    offer: Offer
    chain: Chain


@dataclass(slots=True)
class Trial:
    """What the first look left: verdicts given, and seals that need their signature checked."""

    judged: list[Judged] = field(default_factory=list)
    pending: list[Pending] = field(default_factory=list)


def open_all(
    messages: Sequence[Incoming], network: bytes, chain_id: int
) -> tuple[list[Offer], list[Spoiled]]:
    """Decode and hash every message; what cannot be decoded is spoiled, in order."""
    domain = sip018.domain_hash(DOMAIN_NAME, DOMAIN_VERSION, chain_id)
    offers, spoiled = [], []
    for agent, payload, _ in messages:
        try:
            seal = decode_any(payload, network)
        except Rejected as error:
            spoiled.append(Spoiled(agent, payload, error.reason, error.detail))
            continue
        consensus = seal.header.consensus()
        digest = sip018.digest(domain, consensus)
        offers.append(Offer(agent, payload, seal, consensus, digest))
    return offers, spoiled


def first_look(
    offers: Sequence[Offer], chains: Mapping[RegisterKey, Chain], now: int
) -> Trial:
    """Give every verdict that needs no signature; `now` in Unix seconds.

    Seals of a register are looked at in order of seq, as they came where it is equal.
    """
    trial = Trial()
    for offer in sorted(offers, key=_seq):
        header = offer.seal.header
        chain = chains.get((header.meter, header.register))
        if chain is None:
            trial.judged.append(Judged(offer, _UNKNOWN, None, None))
            continue
        verdict = chain.before(offer, now)
        if verdict is None:
            trial.pending.append(Pending(offer, chain))
        else:
            trial.judged.append(Judged(offer, verdict, chain, None))
    return trial


def faults_of(pending: Sequence[Pending]) -> list[Reason | None]:
    """Check signatures; None where it is right. Made to run in several threads at once."""
    good = [False] * len(pending)
    checks, places = [], []
    for place, (offer, _) in enumerate(pending):
        assert offer.key is not None
        public = offer.key.public
        if public.algorithm is Algorithm.SECP256K1:
            checks.append((public.raw, offer.digest, offer.seal.signature))
            places.append(place)
        else:
            good[place] = public.verify(offer.digest, offer.seal.signature)
    for place, right in zip(places, curve.verify_all(checks), strict=True):
        good[place] = right
    for place, (offer, _) in enumerate(pending):
        if isinstance(offer.seal, CommittedSeal) and good[place]:
            good[place] = _envelope_is_signed(offer)
    return [
        None if right else _fault(one) for one, right in zip(pending, good, strict=True)
    ]


def second_look(
    pending: Sequence[Pending], faults: Sequence[Reason | None]
) -> list[Judged]:
    """Give the remaining verdicts and move the heads of `pending`'s registers.

    Of two messages that say the same with different signatures, the rightly signed one
    is looked at first: a forged twin cannot spoil the answer to the real one.
    """
    judged = []
    order = list(zip(pending, faults, strict=True))
    if any(faults):
        order.sort(key=_seq_then_fault)
    for (offer, chain), fault in order:
        was = chain.head
        judged.append(Judged(offer, chain.after(offer, fault), chain, was))
    return judged


def _envelope_is_signed(offer: Offer) -> bool:
    """Tell whether the seal key signed what travels beside a day's header, too."""
    assert isinstance(offer.seal, CommittedSeal)
    assert offer.key is not None
    envelope = offer.seal.envelope
    digest = envelope.parcel.digest(offer.digest)
    return offer.key.public.verify(digest, envelope.signature)


def _fault(pending: Pending) -> Reason:
    offer, chain = pending
    seal = offer.seal
    return fault_of(chain.claim, seal.header.seq, offer.digest, seal.signature)


def _seq(offer: Offer) -> int:
    return offer.seal.header.seq


def _seq_then_fault(item: tuple[Pending, Reason | None]) -> tuple[int, bool]:
    return item[0].offer.seal.header.seq, item[1] is not None
