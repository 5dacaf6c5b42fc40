"""Freezing while disputed: entries that stop an account or a hold until they end.

A freeze is a hold of amount 0 with a reason and a reference, in the hash chain like every
entry. While it stands, every transfer that touches what it freezes is refused `FROZEN`,
expiry included; what is held is neither delivered nor given back. It ends when it is
voided, or expires by its own timeout. Several may stand on one account or hold: each
dispute has its own, and the last to end opens it.

A hold whose time ran out meanwhile may still be posted or voided in the very second in
which it thaws, so that whoever decides does both in one chain:

    [void(freeze_id), post(hold_id, delivered)]    # linked, one batch

A second later it expires. Pure. This module must never move an amount.
"""

from dataclasses import replace

from meterseal_aggregator.ledger.book import Layer, Refused
from meterseal_aggregator.ledger.chart import DISPUTABLE, DISPUTES
from meterseal_aggregator.ledger.model import (
    Account,
    AccountCode,
    Asset,
    Entry,
    Freeze,
    Frost,
    HoldState,
    Phase,
    Refusal,
    Transfer,
    TransferId,
)


def freeze_account(
    named: TransferId, asset: Asset, code: AccountCode, *, why: str, reference: bytes
) -> Transfer:
    """Return the entry that freezes an account: `why` in one word, about `reference`.

    ValueError for an account that others' energy or money must always reach.
    """
    if code.partition(":")[0] not in DISPUTABLE:
        raise ValueError(f"{code}: freeze the trade's own hold or escrow instead")
    return Transfer(
        id=named,
        amount=0,
        debit=code,
        credit=DISPUTES,
        purpose=why,
        asset=asset,
        phase=Phase.HOLD,
        reference=reference,
        freezes=Freeze.DEBIT,
    )


def freeze_hold(
    named: TransferId, hold: TransferId, *, why: str, reference: bytes
) -> Transfer:
    """Return the entry that freezes one hold and leaves its accounts alone."""
    return Transfer(
        id=named,
        amount=0,
        purpose=why,
        asset=Asset(""),
        phase=Phase.HOLD,
        pending_id=hold,
        reference=reference,
        freezes=Freeze.HOLD,
    )


def thaw(named: TransferId, freeze: TransferId) -> Transfer:
    """Return the entry that ends a freeze."""
    return Transfer(
        id=named, amount=0, asset=Asset(""), phase=Phase.VOID, pending_id=freeze
    )


def frozen(debit: Account, credit: Account, frost: Frost) -> Refused | None:
    """Say what is frozen of all that a transfer touches, or nothing."""
    if debit.frozen:
        return Refused(Refusal.FROZEN, "debit")
    if credit.frozen:
        return Refused(Refusal.FROZEN, "credit")
    return Refused(Refusal.FROZEN, "pending_id") if frost.frozen else None


def named_by_hold(t: Transfer, hold: Transfer) -> Transfer:
    """Fill the accounts and the asset that a freeze leaves empty from the hold it freezes."""
    return replace(
        t,
        debit=t.debit or hold.debit,
        credit=t.credit or hold.credit,
        asset=t.asset or hold.asset,
    )


def freeze_the_hold(layer: Layer, t: Transfer, held: Entry) -> Transfer | Refused:
    """Enter a freeze of a hold that is pending and in time."""
    hold = held.transfer
    if hold.freezes:
        return Refused(Refusal.PENDING_DIFFERS, "freezes")
    full = named_by_hold(t, hold)
    for name in ("debit", "credit", "asset"):
        if getattr(full, name) != getattr(hold, name):
            return Refused(Refusal.PENDING_DIFFERS, name)
    _step_hold(layer, hold.id, 1)
    layer.holds[t.id] = HoldState.PENDING
    return full


def freeze_the_accounts(
    layer: Layer, t: Transfer, debit: Account, credit: Account
) -> Transfer:
    """Enter a freeze of one account or both."""
    meant = _frozen_by(t, debit, credit)
    for account in (debit, credit):
        # Both are written: an entry opens the accounts it names.
        step = 1 if account in meant else 0
        changed = replace(account, frozen=account.frozen + step)
        layer.accounts[(account.asset, account.code)] = changed
    layer.holds[t.id] = HoldState.PENDING
    return t


def end(layer: Layer, freeze: Transfer, now: int) -> None:
    """Take back at `now` what a freeze that still stands did."""
    if freeze.freezes is Freeze.HOLD:
        _step_hold(layer, freeze.pending_id, -1, now)
        return
    debit = layer.account((freeze.asset, freeze.debit))
    credit = layer.account((freeze.asset, freeze.credit))
    for account in _frozen_by(freeze, debit, credit):
        changed = replace(account, frozen=account.frozen - 1, thawed_at=now)
        layer.accounts[(account.asset, account.code)] = changed


def _frozen_by(
    freeze: Transfer, debit: Account | None, credit: Account | None
) -> list[Account]:
    sides = (
        (debit, freeze.freezes in (Freeze.DEBIT, Freeze.BOTH)),
        (credit, freeze.freezes in (Freeze.CREDIT, Freeze.BOTH)),
    )
    return [account for account, meant in sides if meant and account is not None]


def _step_hold(
    layer: Layer, hold: TransferId, step: int, now: int | None = None
) -> None:
    frost = layer.frost(hold)
    ended = frost.thawed_at if now is None else now
    layer.frosts[hold] = Frost(frost.frozen + step, ended)
