"""What to do next about a transaction we want in the chain: rules, and nothing else.

A deed is one call that is wanted once. It has one nonce of its account and, at one price
after the other, one attempt or several, of which the chain takes one at most. `next_step`
looks at what a node says of them and gives the one step that is due; whoever acts writes
the step down first, so after a crash the same look gives the same step.

A block is believed once it lies deep enough; until then it may vanish, and then the same
bytes are sent again. This module must never give a deed a second nonce while its first
may still be taken.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final, TypeAlias

from meterseal_aggregator.stacks.node.port import Block, Unknown

DEPTH: Final = 7
"""Blocks of Stacks over ours before it counts. Stacks follows Bitcoin's forks, and one block of
Bitcoin is a hundred of these: where such a fork must stop nobody, ask for more."""
MAX_DEPTH: Final = 10_000
"""Some days of blocks; more is a typing mistake."""
RESEND_S: Final = 60
"""A node that does not know a transaction may have forgotten it: mempools are not kept."""
BUMP_AFTER_S: Final = 900
"""Waiting for a block this long, a transaction pays too little: blocks come in seconds."""
BUMP_PERCENT: Final = 125
"""What a replacement pays of what it replaces; nodes want more, not how much."""
CANCEL_AFTER_S: Final = 600
"""What every node refuses for good this long will not be taken any more: a node that lags
has caught up by then."""
MAX_IN_FLIGHT: Final = 20
"""Unconfirmed transactions of an account: a mempool takes 25 in a row."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How deep is deep enough, and what a transaction may cost at most, micro-STX."""

    depth: int = DEPTH
    fee_cap: int = 1_000_000
    resend_s: int = RESEND_S
    bump_after_s: int = BUMP_AFTER_S
    cancel_after_s: int = CANCEL_AFTER_S


@dataclass(frozen=True, slots=True)
class Attempt:
    """A signed transaction for a deed, at a price; Unix seconds of making and sending.

    One that `cancels` does nothing but use the deed's nonce.
    """

    txid: str
    fee: int
    made_at: int
    sent_at: int | None = None
    cancels: bool = False


@dataclass(frozen=True, slots=True)
class Deed:
    """A wanted call: its nonce once it has one, its attempts by price, where it was seen.

    `taken_at` is the height at which its nonce was first found used, by nobody we know;
    `refused_at` the Unix second since which no node takes it, for what does not pass.
    """

    id: int
    nonce: int | None = None
    attempts: tuple[Attempt, ...] = ()
    seen: Block | None = None
    taken_at: int | None = None
    refused_at: int | None = None

    def done_by(self, block: Block) -> bool:
        """Tell whether this block has it done: not refused, and not cancelled."""
        cancels = any(a.cancels for a in self.attempts if a.txid == block.txid)
        return block.ok and not cancels


Found: TypeAlias = Block | Unknown


@dataclass(frozen=True, slots=True)
class Look:
    """What a node says: the tip's height, the account's next nonce there, each attempt."""

    tip: int
    nonce: int
    found: Mapping[str, Found]


class Do(Enum):
    """The kinds of step."""

    WAIT = "wait"
    PRICE = "price"
    """Make an attempt at `fee` under the deed's nonce, or under a new one; then send it."""
    CANCEL = "cancel"
    """No node takes it: make an attempt at `fee` that does nothing under its nonce."""
    SEND = "send"
    """Send the bytes of `txid` again."""
    SEE = "see"
    """Note that it stands in `block`."""
    UNSEE = "unsee"
    """Its block, or the stranger's, is gone from the chain: forget what was noted."""
    TAKEN = "taken"
    """Note that its nonce is used, and none of its attempts is in a block."""
    SETTLE = "settle"
    """It stands deep enough: done, for good or with the contract's refusal."""
    RENUMBER = "renumber"
    """A stranger's transaction took its nonce, deep enough: it needs another one."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do about a deed."""

    do: Do
    fee: int = 0
    txid: str = ""
    block: Block | None = None


WAIT: Final = Step(Do.WAIT)


def next_step(deed: Deed, look: Look, now: int, price: int, limits: Limits) -> Step:
    """Return what is due for a deed at Unix second `now`; `price` is what nodes ask today."""
    block = _block(deed, look)
    if block is not None:
        return _in_a_block(deed, block, look, limits)
    if not deed.attempts:
        return Step(Do.PRICE, min(max(1, price), limits.fee_cap))
    assert deed.nonce is not None
    taken = look.nonce > deed.nonce
    if deed.seen is not None or (deed.taken_at is not None and not taken):
        return Step(Do.UNSEE)
    if taken:
        return _taken(deed, look, limits)
    return _waiting(deed, look, now, price, limits)


def next_nonce(look: Look, given: Collection[int]) -> int:
    """Return the first nonce that neither the chain nor any of ours used; `given` are ours.

    A nonce below ours is free where a fork took a stranger's transaction away: ours wait
    behind it until somebody fills it, so a new deed does.
    """
    nonce = look.nonce
    while nonce in given:
        nonce += 1
    return nonce


def _block(deed: Deed, look: Look) -> Block | None:
    for attempt in deed.attempts:
        found = look.found.get(attempt.txid, Unknown.NOWHERE)
        if isinstance(found, Block):
            return found
    return None


def _in_a_block(deed: Deed, block: Block, look: Look, limits: Limits) -> Step:
    if look.tip - block.height >= limits.depth and deed.seen == block:
        return Step(Do.SETTLE, block=block)
    return WAIT if deed.seen == block else Step(Do.SEE, block=block)


def _taken(deed: Deed, look: Look, limits: Limits) -> Step:
    """Return what is due while a nonce is used and a node shows none of our attempts.

    Until that lies deep enough, the node may not have caught up with itself.
    """
    if deed.taken_at is None:
        return Step(Do.TAKEN)
    deep = look.tip - deed.taken_at >= limits.depth
    return Step(Do.RENUMBER) if deep else WAIT


def _waiting(deed: Deed, look: Look, now: int, price: int, limits: Limits) -> Step:
    """Return what is due while no block has any of a deed's attempts."""
    last = deed.attempts[-1]
    if last.sent_at is None:
        return Step(Do.SEND, txid=last.txid)
    dearer = min(limits.fee_cap, max(price, -(-last.fee * BUMP_PERCENT // 100)))
    # What waits for an earlier nonce does not wait for its price.
    stuck = look.nonce == deed.nonce and now - last.made_at >= limits.bump_after_s
    if _hopeless(deed, look, now, limits):
        return _cancelled(deed, dearer)
    if stuck and dearer > last.fee:
        return Step(Do.CANCEL if last.cancels else Do.PRICE, dearer)
    nowhere = look.found.get(last.txid, Unknown.NOWHERE) is Unknown.NOWHERE
    if nowhere and now - last.sent_at >= limits.resend_s:
        return Step(Do.SEND, txid=last.txid)
    return WAIT


def _hopeless(deed: Deed, look: Look, now: int, limits: Limits) -> bool:
    """Tell whether nodes refused a deed for good, long enough to believe it."""
    since = deed.refused_at
    if since is None or now - since < limits.cancel_after_s:
        return False
    held = any(look.found.get(a.txid) is Unknown.PENDING for a in deed.attempts)
    return not held and not deed.attempts[-1].cancels


def _cancelled(deed: Deed, fee: int) -> Step:
    """Return the step that frees those behind: nobody holds it, so any new price will do."""
    tried = {attempt.fee for attempt in deed.attempts}
    while fee in tried:
        fee -= 1
    return Step(Do.CANCEL, fee) if fee > 0 else WAIT
