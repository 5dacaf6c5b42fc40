"""What is wrong with a deed, and what whoever runs the aggregator can do about it.

    judge(standing, Means(addresses, fee_cap), now)      # None: it is on its way, or done

Pure rules, most pressing first, in words to be read aloud. This module must never advise
what would do a deed twice.
"""

from dataclasses import dataclass
from typing import Final

from meterseal_aggregator.stacks.outbox.deeds import State
from meterseal_aggregator.stacks.outbox.plan import BUMP_AFTER_S, CANCEL_AFTER_S
from meterseal_aggregator.stacks.outbox.standing import Standing
from meterseal_aggregator.stacks.outbox.troubles import Kind
from meterseal_proto.clarity import Err, UInt, Value

_ITSELF: Final = "nothing: it goes on by itself once that is over"


@dataclass(frozen=True, slots=True)
class Means:
    """The addresses whose keys are configured, and the most a transaction may pay."""

    addresses: frozenset[str]
    fee_cap: int


@dataclass(frozen=True, slots=True)
class Advice:
    """What is wrong, and what to do."""

    wrong: str
    do: str


def judge(one: Standing, means: Means, now: int) -> Advice | None:
    """Return what is wrong with a deed at Unix second `now`, if anything is."""
    if one.state is State.CONFIRMED:
        return None
    if one.state is State.FAILED:
        return _failed(one)
    if one.account not in means.addresses:
        return orphaned(one.account)
    for rule in (_stranger, _refused, _held, _postponed, _unheard):
        found = rule(one)
        if found is not None:
            return found
    return _slow(one, means, now)


def orphaned(account: str) -> Advice:
    """Return what an account without its key means."""
    return Advice(
        f"the key of {account} is not configured, so nobody looks after it",
        "name that key's file in [stacks] former_keys until its deeds are settled",
    )


def _failed(one: Standing) -> Advice:
    if one.cancelled:
        refused = one.trouble(Kind.REFUSED)
        said = f": {refused.why}" if refused else ""
        return Advice(
            f"no node took it, so its nonce was used for nothing{said}",
            "mend what they say; whoever wanted it may want it again, for it is not done",
        )
    return Advice(
        f"its contract refused it: {told(one.result)}",
        "look the number up in contracts/ERRORS.md; it is not done, and its fee is spent",
    )


def _stranger(one: Standing) -> Advice | None:
    if one.taken_at is None:
        return None
    return Advice(
        f"a transaction that is not ours used nonce {one.nonce}",
        "if you signed nothing with this key elsewhere, somebody else has it: change it",
    )


def _refused(one: Standing) -> Advice | None:
    refused = one.trouble(Kind.REFUSED)
    if refused is None:
        return None
    if one.tries and one.tries[-1].cancels:
        return Advice(f"being cancelled, for no node takes it: {refused.why}", _ITSELF)
    minutes = CANCEL_AFTER_S // 60
    return Advice(
        f"no node takes it: {refused.why}",
        f"compare [stacks] contracts with what is deployed; after {minutes} minutes of"
        " this it is cancelled, and those behind it go on",
    )


def _held(one: Standing) -> Advice | None:
    held = one.trouble(Kind.HELD)
    if held is None:
        return None
    why, colon, do = held.why.partition(": ")
    return Advice(f"nothing is signed yet: {why}", do if colon else _ITSELF)


def _postponed(one: Standing) -> Advice | None:
    postponed = one.trouble(Kind.POSTPONED)
    if postponed is None:
        return None
    return Advice(
        f"no node takes it now: {postponed.why}",
        f"for NotEnoughFunds send STX to {one.account}; for FeeTooLow raise [stacks]"
        " fee_cap; the same bytes are sent again by themselves",
    )


def _unheard(one: Standing) -> Advice | None:
    unheard = one.trouble(Kind.UNHEARD)
    if unheard is None:
        return None
    return Advice(
        f"the nodes give no answer of use: {unheard.why}",
        "look at the nodes of [stacks]; of two that disagree find out which is wrong, for"
        " nothing is confirmed meanwhile",
    )


def _slow(one: Standing, means: Means, now: int) -> Advice | None:
    if not one.tries or one.block is not None:
        return None
    last = one.tries[-1]
    if now - last.made_at < BUMP_AFTER_S:
        return None
    if last.fee >= means.fee_cap:
        return Advice(
            f"it pays all it may, {last.fee} micro-STX, and is in no block",
            "raise [stacks] fee_cap and restart, or wait until the chain asks less",
        )
    return Advice(
        f"in no block for {(now - last.made_at) // 60} minutes",
        "nothing: it pays more by itself, up to [stacks] fee_cap",
    )


def told(result: Value | None) -> str:
    """Return a contract's answer as its ERRORS.md writes it."""
    if isinstance(result, Err) and isinstance(result.value, UInt):
        return f"(err u{result.value.value})"
    return "no result" if result is None else type(result).__name__.lower()
