"""The ledger's rule: a book and a batch of transfers give results and a changed book.

Pure: no disk, no clock; the second is an argument. Every transfer is entered whole or
refused whole, a linked chain likewise, and no floor breaks at any prefix. A transfer
seen before answers as it did; the same id with other content is refused with the field
named. This module must never guess: what is not in the book is not there.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Final

from meterseal_aggregator.ledger import freeze
from meterseal_aggregator.ledger.book import NO_FROST, Book, Layer, Posting, Refused
from meterseal_aggregator.ledger.model import (
    ID_LENGTHS,
    MAX_AMOUNT,
    MAX_CODE,
    MAX_TEXT,
    MAX_TIMEOUT_S,
    RESOLVING,
    Account,
    AtMost,
    Entry,
    Floor,
    Freeze,
    HoldState,
    Phase,
    Refusal,
    Result,
    Transfer,
)

MAX_TIME_S: Final = 1 << 40
"""Furthest second a transfer may count for; beyond any calendar, within any column."""


def post(book: Book, transfers: Sequence[Transfer], *, now: int) -> Posting:
    """Enter `transfers` in order at Unix second `now`.

    Returns the results in the same order, the new entries in order, and the accounts
    and hold states that changed; `book` is left as it was.
    """
    layer = Layer(book)
    results: list[Result] = []
    for chain in _chains(transfers):
        if len(chain) == 1 and not chain[0].linked:
            results.append(_enter(layer, chain[0], now))
        else:
            results.extend(_enter_chain(layer, chain, now))
    return Posting(results, layer.entries, layer.accounts, layer.holds, layer.frosts)


def _chains(transfers: Sequence[Transfer]) -> Iterator[list[Transfer]]:
    chain: list[Transfer] = []
    for transfer in transfers:
        chain.append(transfer)
        if not transfer.linked:
            yield chain
            chain = []
    if chain:
        yield chain


def _enter_chain(layer: Layer, chain: list[Transfer], now: int) -> list[Result]:
    trial = Layer(layer.book, layer)
    results: list[Result] = []
    for transfer in chain:
        result = _enter(trial, transfer, now)
        if result.entered and results and result.duplicate != results[0].duplicate:
            # A chain is entered whole, so a chain known in part is another chain.
            result = _refused(transfer, Refused(Refusal.ID_TAKEN, "linked"))
        results.append(result)
        if not result.entered:
            break
    if results[-1].entered and not chain[-1].linked:
        layer.absorb(trial)
        return results
    cause = results[-1]
    if cause.entered:
        cause = _refused(chain[-1], Refused(Refusal.CHAIN_OPEN))
    failed = [_refused(t, Refused(Refusal.LINKED_FAILED)) for t in chain]
    failed[len(results) - 1] = cause
    if chain[-1].linked:
        failed[-1] = _refused(chain[-1], Refused(Refusal.CHAIN_OPEN))
    return failed


def _enter(layer: Layer, transfer: Transfer, now: int) -> Result:
    if len(transfer.id) not in ID_LENGTHS:
        return _refused(transfer, Refused(Refusal.MALFORMED, "id"))
    known = layer.entry(transfer.id)
    if known is not None:
        return _answer_again(layer, transfer, known)
    wrong = _malformed(transfer)
    if wrong:
        return _refused(transfer, Refused(Refusal.MALFORMED, wrong))
    if transfer.phase in RESOLVING:
        outcome = _resolve(layer, transfer, now)
    elif transfer.freezes:
        outcome = _freeze(layer, transfer, now)
    else:
        outcome = _move(layer, transfer)
    if isinstance(outcome, Refused):
        return _refused(transfer, outcome)
    layer.entries[outcome.id] = Entry(outcome, now)
    return Result(outcome.id, outcome.amount)


def _refused(transfer: Transfer, why: Refused) -> Result:
    return Result(transfer.id, refusal=why.refusal, field=why.field)


# The fields in the order in which `_malformed` looks at them, and names the first.
_LOOKED_AT: Final = (
    "amount",
    "freezes",
    "amount",
    "pending_id",
    "timeout_s",
    "timeout_s",
    "at_most",
    "asset",
    "purpose",
    "purpose",
    "reference",
    "effective_at",
    "debit",
    "credit",
)


def _malformed(t: Transfer) -> str:
    """Name the first field that has no legal value by itself, or nothing."""
    ends_hold = t.phase in RESOLVING
    names_hold = ends_hold or t.freezes is Freeze.HOLD
    pending_ok = len(t.pending_id) in ID_LENGTHS and t.pending_id != t.id
    fine = (
        0 <= t.amount <= MAX_AMOUNT,
        not t.freezes or t.phase is Phase.HOLD,
        not t.freezes or t.amount == 0,
        pending_ok if names_hold else not t.pending_id,
        0 <= t.timeout_s <= MAX_TIMEOUT_S,
        t.timeout_s == 0 or t.phase is Phase.HOLD,
        t.at_most is AtMost.EXACT or not (ends_hold or t.freezes),
        names_hold or bool(t.asset),
        t.purpose.isascii() and len(t.purpose) <= MAX_TEXT,
        ends_hold or bool(t.purpose),
        len(t.reference) <= MAX_TEXT,
        0 <= t.effective_at <= MAX_TIME_S,
        len(t.debit) <= MAX_CODE,
        len(t.credit) <= MAX_CODE,
    )
    return "" if all(fine) else _LOOKED_AT[fine.index(False)]


# What makes two transfers the same, in the order in which a difference is named.
_CONTENT: Final[tuple[tuple[str, Callable[[Transfer], object]], ...]] = (
    ("phase", lambda t: t.phase),
    ("freezes", lambda t: t.freezes),
    ("linked", lambda t: t.linked),
    ("at_most", lambda t: t.at_most),
    ("pending_id", lambda t: t.pending_id),
    ("timeout_s", lambda t: t.timeout_s),
    ("debit", lambda t: t.debit),
    ("credit", lambda t: t.credit),
    ("amount", lambda t: t.amount),
    ("reference", lambda t: t.reference),
    ("asset", lambda t: t.asset),
    ("purpose", lambda t: t.purpose),
    ("effective_at", lambda t: t.effective_at),
)


def _answer_again(layer: Layer, transfer: Transfer, known: Entry) -> Result:
    """Answer a transfer whose id is known: the same answer, or the field that differs."""
    entered = known.transfer
    asked = transfer
    hold = layer.entry(entered.pending_id) if entered.pending_id else None
    if hold is not None and transfer.phase in RESOLVING:
        asked = _inherit(transfer, hold.transfer)
    elif hold is not None and transfer.freezes is Freeze.HOLD:
        asked = freeze.named_by_hold(transfer, hold.transfer)
    if asked.at_most is not AtMost.EXACT and asked.amount >= entered.amount:
        asked = replace(asked, amount=entered.amount)
    if asked != entered:
        for name, part in _CONTENT:
            if part(asked) != part(entered):
                return _refused(transfer, Refused(Refusal.ID_TAKEN, name))
    return Result(entered.id, entered.amount, duplicate=True)


def _move(layer: Layer, t: Transfer) -> Transfer | Refused:
    """Enter a DIRECT transfer or a HOLD."""
    found = _accounts(layer, t)
    if isinstance(found, Refused):
        return found
    debit, credit = found
    if debit.frozen or credit.frozen:
        return freeze.frozen(debit, credit, NO_FROST) or Refused(Refusal.FROZEN)
    amount = t.amount
    if t.at_most in (AtMost.DEBIT, AtMost.BOTH):
        amount = min(amount, debit.held)
    if t.at_most in (AtMost.CREDIT, AtMost.BOTH):
        amount = min(amount, credit.owed)
    why = _limits(debit, credit, amount)
    if why is not None:
        return why
    if t.phase is Phase.HOLD:
        _write(layer, _changed(debit, dp=amount), _changed(credit, cp=amount))
        layer.holds[t.id] = HoldState.PENDING
    else:
        _write(layer, _changed(debit, dd=amount), _changed(credit, cc=amount))
    return t if amount == t.amount else replace(t, amount=amount)


def _accounts(layer: Layer, t: Transfer) -> tuple[Account, Account] | Refused:
    if t.debit == t.credit:
        return Refused(Refusal.ACCOUNTS_SAME)
    debit = layer.account((t.asset, t.debit))
    if debit is None:
        return Refused(Refusal.ACCOUNT_UNKNOWN, "debit")
    credit = layer.account((t.asset, t.credit))
    if credit is None:
        return Refused(Refusal.ACCOUNT_UNKNOWN, "credit")
    return debit, credit


def _limits(debit: Account, credit: Account, amount: int) -> Refused | None:
    out = debit.debits_pending + debit.debits_posted + amount
    into = credit.credits_pending + credit.credits_posted + amount
    if out > MAX_AMOUNT or into > MAX_AMOUNT:
        return Refused(Refusal.OVERFLOW)
    if debit.floor is Floor.CREDITS_COVER and out > debit.credits_posted:
        return Refused(Refusal.EXCEEDS_CREDITS)
    if credit.floor is Floor.DEBITS_COVER and into > credit.debits_posted:
        return Refused(Refusal.EXCEEDS_DEBITS)
    return None


def _freeze(layer: Layer, t: Transfer, now: int) -> Transfer | Refused:
    """Enter a HOLD that freezes; what is frozen already may be frozen again."""
    if t.freezes is Freeze.HOLD:
        held = _pending(layer, t)
        if isinstance(held, Refused):
            return held
        why = _hold_over(layer, t, held, now)
        return why or freeze.freeze_the_hold(layer, t, held)
    found = _accounts(layer, t)
    if isinstance(found, Refused):
        return found
    return freeze.freeze_the_accounts(layer, t, *found)


def _pending(layer: Layer, t: Transfer) -> Entry | Refused:
    """Return the hold a transfer names, whatever its state."""
    entry = layer.entry(t.pending_id)
    if entry is None:
        return Refused(Refusal.PENDING_NOT_FOUND)
    if entry.transfer.phase is not Phase.HOLD or layer.hold(t.pending_id) is None:
        return Refused(Refusal.PENDING_NO_HOLD)
    return entry


def _resolve(layer: Layer, t: Transfer, now: int) -> Transfer | Refused:
    """Enter a POST, VOID or EXPIRE of a hold."""
    entry = _pending(layer, t)
    if isinstance(entry, Refused):
        return entry
    hold = entry.transfer
    full = _inherit(t, hold)
    why = _hold_differs(full, hold) or _hold_over(layer, full, entry, now)
    if why is not None:
        return why
    if hold.freezes:
        freeze.end(layer, hold, now)
    else:
        _release(layer, full, hold)
    layer.holds[hold.id] = _END_STATE[full.phase]
    return full


def _release(layer: Layer, full: Transfer, hold: Transfer) -> None:
    moved = full.amount if full.phase is Phase.POST else 0
    debit, credit = _sides(layer, hold)
    _write(
        layer,
        _changed(debit, dp=-hold.amount, dd=moved),
        _changed(credit, cp=-hold.amount, cc=moved),
    )


def _sides(layer: Layer, hold: Transfer) -> tuple[Account, Account]:
    """Return the accounts of a hold, which opened them when it was entered."""
    debit = layer.account((hold.asset, hold.debit))
    credit = layer.account((hold.asset, hold.credit))
    assert debit is not None, "a hold without its debited account"
    assert credit is not None, "a hold without its credited account"
    return debit, credit


_END_STATE: Final = {
    Phase.POST: HoldState.POSTED,
    Phase.VOID: HoldState.VOIDED,
    Phase.EXPIRE: HoldState.EXPIRED,
}
_OVER: Final = {
    HoldState.POSTED: Refusal.ALREADY_POSTED,
    HoldState.VOIDED: Refusal.ALREADY_VOIDED,
    HoldState.EXPIRED: Refusal.ALREADY_EXPIRED,
}


def _inherit(t: Transfer, hold: Transfer) -> Transfer:
    """Fill what a resolving transfer leaves empty from its hold.

    An amount of MAX_AMOUNT is all of the hold; VOID and EXPIRE release all of it, and
    for them 0 says so too.
    """
    whole = t.amount == MAX_AMOUNT or (t.phase is not Phase.POST and t.amount == 0)
    return replace(
        t,
        amount=hold.amount if whole else t.amount,
        debit=t.debit or hold.debit,
        credit=t.credit or hold.credit,
        asset=t.asset or hold.asset,
        purpose=t.purpose or hold.purpose,
        reference=t.reference or hold.reference,
    )


def _hold_differs(t: Transfer, hold: Transfer) -> Refused | None:
    if hold.freezes and t.phase is Phase.POST:
        return Refused(Refusal.PENDING_DIFFERS, "freezes")
    for name in ("debit", "credit", "asset", "purpose"):
        if getattr(t, name) != getattr(hold, name):
            return Refused(Refusal.PENDING_DIFFERS, name)
    if t.amount > hold.amount:
        return Refused(Refusal.EXCEEDS_PENDING)
    if t.phase is not Phase.POST and t.amount != hold.amount:
        return Refused(Refusal.PENDING_DIFFERS, "amount")
    return None


def _hold_over(layer: Layer, t: Transfer, entry: Entry, now: int) -> Refused | None:
    """Say why a hold can no longer, or not now, be ended or frozen by `t`."""
    hold = entry.transfer
    state = layer.hold(hold.id)
    if state is not HoldState.PENDING:
        return Refused(_OVER[state]) if state else Refused(Refusal.PENDING_NO_HOLD)
    thawed_at = 0
    if not hold.freezes:
        debit, credit = _sides(layer, hold)
        frost = layer.frost(hold.id)
        why = freeze.frozen(debit, credit, frost)
        if why is not None:
            return None if t.freezes else why
        thawed_at = max(debit.thawed_at, credit.thawed_at, frost.thawed_at)
    due = entry.expires_at is not None and now >= entry.expires_at and now > thawed_at
    if t.phase is Phase.EXPIRE:
        return None if due else Refused(Refusal.NOT_DUE)
    return Refused(Refusal.ALREADY_EXPIRED) if due else None


def _changed(
    account: Account, dp: int = 0, dd: int = 0, cp: int = 0, cc: int = 0
) -> Account:
    """Add to the four totals, in the order in which an account has them."""
    return Account(
        account.asset,
        account.code,
        account.floor,
        account.debits_pending + dp,
        account.debits_posted + dd,
        account.credits_pending + cp,
        account.credits_posted + cc,
        account.frozen,
        account.thawed_at,
    )


def _write(layer: Layer, debit: Account, credit: Account) -> None:
    layer.accounts[(debit.asset, debit.code)] = debit
    layer.accounts[(credit.asset, credit.code)] = credit
