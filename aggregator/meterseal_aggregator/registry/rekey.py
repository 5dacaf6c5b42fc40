"""New keys for old registers: rotation by both keys, replacement by code, revocation.

A register's chain goes on across keys: the next key begins after everything accepted
and points at it, so no key can ever speak about the past. Each change is an entry of
the public log. This module must never end a key before a seal it already gave, nor
leave one that could speak beside its successor.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from meterseal_aggregator.registry import write
from meterseal_aggregator.registry.model import Claim, Moment, Refused, Trouble
from meterseal_aggregator.registry.store import claims, rotated_at, serial_with_key
from meterseal_aggregator.storage.database import Transaction
from meterseal_proto.enrolment import Rotation, Turn, rotation_digest
from meterseal_proto.entry import KeyEvent, key_event_entry
from meterseal_proto.keys import PUBLIC_BYTES, PublicKey
from meterseal_proto.seal import MODE_OPEN, Head
from meterseal_proto.units import MeterId, RegisterId, obis_text

NOBODY: Final = bytes(PUBLIC_BYTES)
"""The public key of a revocation's log entry: no curve has this point, nobody can sign."""
FIRST_SEQ: Final = 1
"""The first seal's prev is made of the enrolled key, so no later key may give that seal."""
MAX_SEQ: Final = (1 << 63) - 1
"""The last sequence number a message can carry."""
MAX_AHEAD: Final = 1_000
"""How far ahead a rotation may begin: ten days of quarter hours sealed one by one may wait
in an outbox, and no device plans further."""
ROTATION_PAUSE_S: Final = 86_400
"""Real seconds between two rotations of a meter: each stays in the log, and is one more
key to try at a bad signature, for ever."""

Append = Callable[[Transaction, Sequence[bytes]], Awaitable[list[int]]]
"""Appends entries to the public log within the transaction; returns their ids in order."""
HeadsOf = Callable[[Transaction, Sequence[int]], Awaitable[Mapping[int, Head]]]
"""Tells where the chains of registers (by row id) stand; those without a seal are absent."""
OpeningsOf = Callable[[Transaction, Sequence[int]], Awaitable[Mapping[int, bytes]]]
"""Tells the digest of the last opening of registers (by row id); who has none is absent."""


async def no_openings(_tx: Transaction, _ids: Sequence[int]) -> Mapping[int, bytes]:
    """Tell of a network where nothing was ever opened."""
    return {}


@dataclass(frozen=True, slots=True)
class ChainAccess:
    """What the registry needs of rooms it may not know: log, intake's heads, openings."""

    network: bytes
    append: Append
    heads: HeadsOf
    openings: OpeningsOf = no_openings


@dataclass(frozen=True, slots=True)
class Begun:
    """A register whose key begins at `head.seq` + 1, where its chain stands at `head`."""

    meter: MeterId
    register: RegisterId
    step: int
    head: Head
    mode: int = MODE_OPEN
    bits: int = 0


async def rotate(
    tx: Transaction, rotation: Rotation, chain: ChainAccess, moment: Moment
) -> None:
    """Let the new key speak from the turns on; raises Refused.

    Each turn must lie after everything accepted, at most MAX_AHEAD. All registers must
    have one open key, the old one, and it must have sealed: so no second rotation waits
    behind one that has not begun. The same rotation again changes nothing: its answer was
    lost.
    """
    held = await _claims_of(tx, rotation.turns)
    if _is_done(rotation, held, chain.network):
        return
    heads = await _heads(tx, held, chain)
    _check_keys(rotation, held, chain.network)
    _check_turns(rotation.turns, held, heads)
    await _check_pause(tx, held, moment.real)
    after = {
        claim.register_id: replace(heads[claim.register_id], seq=turn.from_seq - 1)
        for claim, turn in zip(held, rotation.turns, strict=True)
    }
    await write.end_spans(tx, after, "rotation")
    begun = [_begun(claim, after[claim.register_id]) for claim in held]
    await begin(tx, begun, rotation.public, chain, now=moment.now)
    await write.note_rekeying(tx, _meters(held), "rotation", moment)


async def replace_key(
    tx: Transaction,
    held: Sequence[Claim],
    public: PublicKey,
    chain: ChainAccess,
    moment: Moment,
) -> list[Begun]:
    """Let a new key go on where the chains stand: the old agent is dead.

    No other key speaks after that, whatever had been planned. Returns what the new agent
    continues from, in the order of `held`; raises Refused.
    """
    heads = await _heads(tx, held, chain)
    await write.end_spans(tx, heads, "replacement")
    begun = [_successor(claim, heads[claim.register_id]) for claim in held]
    await begin(tx, begun, public, chain, now=moment.now)
    await write.note_rekeying(tx, _meters(held), "replacement", moment)
    return begun


async def revoke(
    tx: Transaction, meter: MeterId, chain: ChainAccess
) -> dict[RegisterId, int]:
    """End every key of a meter after its last accepted seal, and say so in the log.

    A key that was to begin later never does.
    Returns the last valid sequence number by register; raises Refused (NOT_FOUND).
    """
    known = await claims(tx, [meter])
    held = [c for c in known.values() if c.keys[-1].to_seq is None]
    if not held:
        raise Refused(Trouble.NOT_FOUND, "the meter is unknown or has no key in force")
    heads = await _heads(tx, held, chain)
    await write.end_spans(tx, heads, "revocation")
    last: dict[RegisterId, int] = {}
    events = []
    for claim in held:
        head, public = heads[claim.register_id], claim.keys[-1].public
        last[claim.register] = head.seq
        nobody = replace(public, raw=NOBODY)
        events.append(_event(_begun(claim, head), nobody, chain.network))
    await chain.append(tx, events)
    return last


async def begin(
    tx: Transaction,
    begun: Sequence[Begun],
    public: PublicKey,
    chain: ChainAccess,
    *,
    now: int,
) -> None:
    """Let `public` speak from each head's seq + 1 on, with one log entry a register.

    Raises Refused (KEY_USED) when a meter had that key before: it may be in other hands.
    """
    used = await serial_with_key(tx, public.raw, {one.meter for one in begun})
    if used is not None:
        raise Refused(
            Trouble.KEY_USED,
            f"meter {used!r} had this seal key before; make a new one",
        )
    events = [_event(one, public, chain.network) for one in begun]
    entry_ids = await chain.append(tx, events)
    spans = [
        write.NewSpan(
            one.meter, one.register, str(public.algorithm), public.raw,
            one.head.seq + 1, entry_id, now,
        )
        for one, entry_id in zip(begun, entry_ids, strict=True)
    ]  # fmt: skip
    await write.begin_spans(tx, spans)


async def _heads(
    tx: Transaction, held: Sequence[Claim], chain: ChainAccess
) -> dict[int, Head]:
    """Return where each chain stands; before its first seal, at its enrolment."""
    known = await chain.heads(tx, [claim.register_id for claim in held])
    return {
        claim.register_id: known.get(claim.register_id)
        or Head(0, claim.enrolment_hash, claim.initial_at, claim.initial_value)
        for claim in held
    }


async def _claims_of(tx: Transaction, turns: Sequence[Turn]) -> list[Claim]:
    known = await claims(tx, [turn.meter for turn in turns])
    try:
        held = [known[turn.meter, turn.register] for turn in turns]
    except KeyError:
        raise Refused(
            Trouble.NOT_FOUND, "a turn names a meter or register not enrolled"
        ) from None
    if not held or len({claim.register_id for claim in held}) < len(held):
        raise Refused(Trouble.BAD_REQUEST, "name each register once, and at least one")
    return held


def _is_done(rotation: Rotation, held: Sequence[Claim], network: bytes) -> bool:
    """Tell whether this very rotation was carried out, and its key is still in force."""
    began = [claim.keys[-1] for claim in held]
    if [(key.public, key.from_seq, key.to_seq) for key in began] != [
        (rotation.public, turn.from_seq, None) for turn in rotation.turns
    ]:
        return False
    before = {claim.keys[-2].public for claim in held if len(claim.keys) > 1}
    return len(before) == 1 and _is_signed(rotation, before.pop(), network)


def _is_signed(rotation: Rotation, old: PublicKey, network: bytes) -> bool:
    new = rotation.public
    digest = rotation_digest(network, rotation.turns, new)
    return old.verify(digest, rotation.old_signature) and new.verify(
        digest, rotation.new_signature
    )


def _check_keys(rotation: Rotation, held: Sequence[Claim], network: bytes) -> None:
    open_keys = {c.keys[-1].public if c.keys[-1].to_seq is None else None for c in held}
    old = open_keys.pop()
    if old is None or open_keys:
        raise Refused(
            Trouble.BAD_KEY, "the registers must all be under one key that is in force"
        )
    if old == rotation.public:
        raise Refused(Trouble.BAD_KEY, "the new key is the old one")
    if not _is_signed(rotation, old, network):
        raise Refused(
            Trouble.BAD_POSSESSION,
            "the old and the new key must both sign the rotation",
        )


def _check_turns(
    turns: Sequence[Turn], held: Sequence[Claim], heads: Mapping[int, Head]
) -> None:
    for claim, turn in zip(held, turns, strict=True):
        seq, name = heads[claim.register_id].seq, obis_text(claim.register)
        if seq < claim.keys[-1].from_seq:
            raise Refused(
                Trouble.TOO_SOON,
                f"register {name}: its key has sealed nothing yet; rotate after its first"
                " seal is receipted",
            )
        if not seq < turn.from_seq <= min(seq + MAX_AHEAD, MAX_SEQ):
            raise Refused(
                Trouble.BAD_REQUEST,
                f"register {name}: from_seq must be at least {seq + 1}, and at most"
                f" {seq + MAX_AHEAD}",
            )


async def _check_pause(tx: Transaction, held: Sequence[Claim], real: int) -> None:
    last = await rotated_at(tx, _meters(held))
    if last is not None and real < last + ROTATION_PAUSE_S:
        raise Refused(
            Trouble.TOO_SOON, "the meter's key was rotated today; try again tomorrow"
        )


def _meters(held: Sequence[Claim]) -> set[MeterId]:
    return {claim.meter for claim in held}


def _successor(claim: Claim, head: Head) -> Begun:
    """Return where a successor goes on: after the head, and after the enrolled key's seal."""
    seq = max(head.seq, FIRST_SEQ)
    if seq >= MAX_SEQ:
        raise Refused(
            Trouble.OVERLAP,
            f"register {obis_text(claim.register)} has no sequence number left; take the"
            " meter out of service and enrol it anew",
        )
    return _begun(claim, replace(head, seq=seq))


def _begun(claim: Claim, head: Head) -> Begun:
    return Begun(claim.meter, claim.register, claim.step, head, claim.mode, claim.bits)


def _event(begun: Begun, public: PublicKey, network: bytes) -> bytes:
    head = begun.head
    return key_event_entry(
        KeyEvent(
            network, begun.meter, begun.register, str(public.algorithm), public.raw,
            head.seq + 1, begun.step, head.value, head.end, head.hash, begun.mode,
            begun.bits,
        )
    )  # fmt: skip
