"""The ledger's rule: a book and a batch of transfers give results and a changed book.

Pure: no disk, no clock; the second is an argument. Every transfer is entered whole or
refused whole, a linked chain likewise, and no floor breaks at any prefix. A transfer
seen before answers as it did; the same id with other content is refused with the field
named. This module must never guess: what is not in the book is not there.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from meterseal_aggregator.ledger.model import (
    ID_LENGTHS,
    MAX_AMOUNT,
    MAX_CODE,
    MAX_TEXT,
    MAX_TIMEOUT_S,
    RESOLVING,
    Account,
    AccountCode,
    Asset,
    AtMost,
    Entry,
    Floor,
    HoldState,
    Phase,
    Refusal,
    Result,
    Transfer,
    TransferId,
    opened,
)

AccountKey = tuple[Asset, AccountCode]
"""How an account is found: its asset and its code."""

MAX_TIME_S: Final = 1 << 40
"""Furthest second a transfer may count for; beyond any calendar, within any column."""


@dataclass(frozen=True, slots=True)
class Book:
    """What must be known to post a batch: its accounts, its ids, its holds.

    `entries` holds every known transfer named by an id or pending id of the batch,
    `holds` the state of those that are holds, `accounts` every open account named.
    """

    accounts: Mapping[AccountKey, Account]
    entries: Mapping[TransferId, Entry]
    holds: Mapping[TransferId, HoldState]


@dataclass(frozen=True, slots=True)
class Posting:
    """What a batch did: one result a transfer in order, and everything that changed."""

    results: Sequence[Result]
    entries: Mapping[TransferId, Entry]
    accounts: Mapping[AccountKey, Account]
    holds: Mapping[TransferId, HoldState]


@dataclass(frozen=True, slots=True)
class _Refused:
    refusal: Refusal
    field: str = ""


class _Layer:
    """Changes on top of a book, or on top of another layer while a chain is tried."""

    def __init__(self, below: "Book | _Layer") -> None:
        self.below = below
        self.accounts: dict[AccountKey, Account] = {}
        self.entries: dict[TransferId, Entry] = {}
        self.holds: dict[TransferId, HoldState] = {}

    def account(self, key: AccountKey) -> Account | None:
        known = self.accounts.get(key)
        if known is not None:
            return known
        if isinstance(self.below, _Layer):
            return self.below.account(key)
        return self.below.accounts.get(key) or opened(*key)

    def entry(self, transfer_id: TransferId) -> Entry | None:
        known = self.entries.get(transfer_id)
        if known is not None:
            return known
        if isinstance(self.below, _Layer):
            return self.below.entry(transfer_id)
        return self.below.entries.get(transfer_id)

    def hold(self, transfer_id: TransferId) -> HoldState | None:
        known = self.holds.get(transfer_id)
        if known is not None:
            return known
        if isinstance(self.below, _Layer):
            return self.below.hold(transfer_id)
        return self.below.holds.get(transfer_id)

    def absorb(self, above: "_Layer") -> None:
        self.accounts.update(above.accounts)
        self.entries.update(above.entries)
        self.holds.update(above.holds)


def post(book: Book, transfers: Sequence[Transfer], *, now: int) -> Posting:
    """Enter `transfers` in order at Unix second `now`.

    Returns the results in the same order, the new entries in order, and the accounts
    and hold states that changed; `book` is left as it was.
    """
    layer = _Layer(book)
    results: list[Result] = []
    for chain in _chains(transfers):
        if len(chain) == 1 and not chain[0].linked:
            results.append(_enter(layer, chain[0], now))
        else:
            results.extend(_enter_chain(layer, chain, now))
    return Posting(results, layer.entries, layer.accounts, layer.holds)


def _chains(transfers: Sequence[Transfer]) -> Iterator[list[Transfer]]:
    chain: list[Transfer] = []
    for transfer in transfers:
        chain.append(transfer)
        if not transfer.linked:
            yield chain
            chain = []
    if chain:
        yield chain


def _enter_chain(layer: _Layer, chain: list[Transfer], now: int) -> list[Result]:
    trial = _Layer(layer)
    results: list[Result] = []
    for transfer in chain:
        result = _enter(trial, transfer, now)
        if result.entered and results and result.duplicate != results[0].duplicate:
            # A chain is entered whole, so a chain known in part is another chain.
            result = _refused(transfer, _Refused(Refusal.ID_TAKEN, "linked"))
        results.append(result)
        if not result.entered:
            break
    if results[-1].entered and not chain[-1].linked:
        layer.absorb(trial)
        return results
    cause = results[-1]
    if cause.entered:
        cause = _refused(chain[-1], _Refused(Refusal.CHAIN_OPEN))
    failed = [_refused(t, _Refused(Refusal.LINKED_FAILED)) for t in chain]
    failed[len(results) - 1] = cause
    if chain[-1].linked:
        failed[-1] = _refused(chain[-1], _Refused(Refusal.CHAIN_OPEN))
    return failed


def _enter(layer: _Layer, transfer: Transfer, now: int) -> Result:
    if len(transfer.id) not in ID_LENGTHS:
        return _refused(transfer, _Refused(Refusal.MALFORMED, "id"))
    known = layer.entry(transfer.id)
    if known is not None:
        return _answer_again(layer, transfer, known)
    wrong = _malformed(transfer)
    if wrong:
        return _refused(transfer, _Refused(Refusal.MALFORMED, wrong))
    if transfer.phase in RESOLVING:
        outcome = _resolve(layer, transfer, now)
    else:
        outcome = _move(layer, transfer)
    if isinstance(outcome, _Refused):
        return _refused(transfer, outcome)
    layer.entries[outcome.id] = Entry(outcome, now)
    return Result(outcome.id, outcome.amount)


def _refused(transfer: Transfer, why: _Refused) -> Result:
    return Result(transfer.id, refusal=why.refusal, field=why.field)


def _malformed(t: Transfer) -> str:
    """Name the first field that has no legal value by itself, or nothing."""
    ends_hold = t.phase in RESOLVING
    pending_ok = len(t.pending_id) in ID_LENGTHS and t.pending_id != t.id
    checks = (
        ("amount", 0 <= t.amount <= MAX_AMOUNT),
        ("pending_id", pending_ok if ends_hold else not t.pending_id),
        ("timeout_s", 0 <= t.timeout_s <= MAX_TIMEOUT_S),
        ("timeout_s", t.timeout_s == 0 or t.phase is Phase.HOLD),
        ("at_most", not ends_hold or t.at_most is AtMost.EXACT),
        ("asset", ends_hold or bool(t.asset)),
        ("purpose", t.purpose.isascii() and len(t.purpose) <= MAX_TEXT),
        ("purpose", ends_hold or bool(t.purpose)),
        ("reference", len(t.reference) <= MAX_TEXT),
        ("effective_at", 0 <= t.effective_at <= MAX_TIME_S),
        ("debit", len(t.debit) <= MAX_CODE),
        ("credit", len(t.credit) <= MAX_CODE),
    )
    return next((name for name, fine in checks if not fine), "")


# What makes two transfers the same, in the order in which a difference is named.
_CONTENT: Final[tuple[tuple[str, Callable[[Transfer], object]], ...]] = (
    ("phase", lambda t: t.phase),
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


def _answer_again(layer: _Layer, transfer: Transfer, known: Entry) -> Result:
    """Answer a transfer whose id is known: the same answer, or the field that differs."""
    entered = known.transfer
    asked = transfer
    hold = layer.entry(entered.pending_id) if entered.pending_id else None
    if hold is not None and transfer.phase in RESOLVING:
        asked = _inherit(transfer, hold.transfer)
    if asked.at_most is not AtMost.EXACT and asked.amount >= entered.amount:
        asked = replace(asked, amount=entered.amount)
    if asked != entered:
        for name, part in _CONTENT:
            if part(asked) != part(entered):
                return _refused(transfer, _Refused(Refusal.ID_TAKEN, name))
    return Result(entered.id, entered.amount, duplicate=True)


def _move(layer: _Layer, t: Transfer) -> Transfer | _Refused:
    """Enter a DIRECT transfer or a HOLD."""
    if t.debit == t.credit:
        return _Refused(Refusal.ACCOUNTS_SAME)
    debit = layer.account((t.asset, t.debit))
    if debit is None:
        return _Refused(Refusal.ACCOUNT_UNKNOWN, "debit")
    credit = layer.account((t.asset, t.credit))
    if credit is None:
        return _Refused(Refusal.ACCOUNT_UNKNOWN, "credit")
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


def _limits(debit: Account, credit: Account, amount: int) -> _Refused | None:
    out = debit.debits_pending + debit.debits_posted + amount
    into = credit.credits_pending + credit.credits_posted + amount
    if out > MAX_AMOUNT or into > MAX_AMOUNT:
        return _Refused(Refusal.OVERFLOW)
    if debit.floor is Floor.CREDITS_COVER and out > debit.credits_posted:
        return _Refused(Refusal.EXCEEDS_CREDITS)
    if credit.floor is Floor.DEBITS_COVER and into > credit.debits_posted:
        return _Refused(Refusal.EXCEEDS_DEBITS)
    return None


def _resolve(layer: _Layer, t: Transfer, now: int) -> Transfer | _Refused:
    """Enter a POST, VOID or EXPIRE of a hold."""
    entry = layer.entry(t.pending_id)
    if entry is None:
        return _Refused(Refusal.PENDING_NOT_FOUND)
    hold, state = entry.transfer, layer.hold(t.pending_id)
    if hold.phase is not Phase.HOLD or state is None:
        return _Refused(Refusal.PENDING_NO_HOLD)
    full = _inherit(t, hold)
    why = _hold_differs(full, hold) or _hold_over(full, entry, state, now)
    if why is not None:
        return why
    moved = full.amount if full.phase is Phase.POST else 0
    debit = layer.account((hold.asset, hold.debit))
    credit = layer.account((hold.asset, hold.credit))
    if debit is None or credit is None:
        return _Refused(Refusal.ACCOUNT_UNKNOWN, "debit" if debit is None else "credit")
    _write(
        layer,
        _changed(debit, dp=-hold.amount, dd=moved),
        _changed(credit, cp=-hold.amount, cc=moved),
    )
    layer.holds[hold.id] = _END_STATE[full.phase]
    return full


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


def _hold_differs(t: Transfer, hold: Transfer) -> _Refused | None:
    for name in ("debit", "credit", "asset", "purpose"):
        if getattr(t, name) != getattr(hold, name):
            return _Refused(Refusal.PENDING_DIFFERS, name)
    if t.amount > hold.amount:
        return _Refused(Refusal.EXCEEDS_PENDING)
    if t.phase is not Phase.POST and t.amount != hold.amount:
        return _Refused(Refusal.PENDING_DIFFERS, "amount")
    return None


def _hold_over(
    t: Transfer, entry: Entry, state: HoldState, now: int
) -> _Refused | None:
    if state is not HoldState.PENDING:
        return _Refused(_OVER[state])
    due = entry.expires_at is not None and now >= entry.expires_at
    if t.phase is Phase.EXPIRE:
        return None if due else _Refused(Refusal.NOT_DUE)
    return _Refused(Refusal.ALREADY_EXPIRED) if due else None


def _changed(
    account: Account, *, dp: int = 0, dd: int = 0, cp: int = 0, cc: int = 0
) -> Account:
    return Account(
        account.asset,
        account.code,
        account.floor,
        account.debits_pending + dp,
        account.debits_posted + dd,
        account.credits_pending + cp,
        account.credits_posted + cc,
    )


def _write(layer: _Layer, debit: Account, credit: Account) -> None:
    layer.accounts[(debit.asset, debit.code)] = debit
    layer.accounts[(credit.asset, credit.code)] = credit
