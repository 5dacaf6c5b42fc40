"""The audit of withdrawals: invariant 7 of ARCHITECTURE, the half that the ledger keeps.

What leaves is open withdrawals to the Wh; what is a token here is the supply there;
nothing was told that no withdrawal explains. This module must never write.
"""

from typing import Final

from meterseal_aggregator.ledger import store as ledger
from meterseal_aggregator.ledger.model import WH, Account, AccountCode
from meterseal_aggregator.stacks.withdrawals import returns
from meterseal_aggregator.stacks.withdrawals.model import ENERGY, LEAVING
from meterseal_aggregator.storage.database import Transaction
from meterseal_aggregator.storage.finding import Finding

INVARIANT: Final = 7
"""The number of "what the chain holds is what our books say"."""

_OPEN: Final = """
SELECT coalesce(sum(wh), 0), count(*) FROM withdrawn_parts WHERE state = 'leaving'
"""
_PAID: Final = """
SELECT (SELECT coalesce(sum(paid), 0) FROM withdrawn_parts WHERE state = 'arrived')
  - (SELECT coalesce(sum(burned), 0) FROM chain_reversals WHERE state = 'done')
  - (SELECT coalesce(sum(wh), 0) FROM deposited)
  - (SELECT coalesce(sum(wh), 0) FROM retirements WHERE holder = ?)
"""


async def findings(tx: Transaction, supply: int | None) -> list[Finding]:
    """Say whether the ledger and the chain tell the same story, to the Wh.

    `supply` is what the chain's settled events add up to, None where nobody follows it.
    """
    held = await ledger.balances(tx, WH, [LEAVING, ENERGY])
    leaving, energy = _held(held, LEAVING), _held(held, ENERGY)
    ((open_wh, count),) = await tx.rows(_OPEN)
    ((paid,),) = await tx.rows(_PAID, (ENERGY,))
    found = [
        Finding(
            INVARIANT,
            ok=leaving == open_wh,
            detail=f"{leaving} Wh leave for the chain, {open_wh} in {count} open parts",
        ),
        Finding(
            INVARIANT,
            ok=energy == paid,
            detail=f"{energy} Wh are on the chain by the ledger, {paid} by what came"
            " and went",
        ),
        await _unexplained(tx),
    ]
    if supply is not None:
        detail = (
            f"{energy} Wh are on the chain by the ledger, the supply there is {supply}"
            " by its settled events"
        )
        found.append(Finding(INVARIANT, ok=energy == supply, detail=detail))
    return found


def _held(accounts: dict[AccountCode, Account], code: AccountCode) -> int:
    return accounts[code].held if code in accounts else 0


async def _unexplained(tx: Transaction) -> Finding:
    strays = await returns.strays(tx)
    if strays:
        first = strays[0]
        detail = (
            f"{len(strays)} events on the chain are no withdrawal's: the first,"
            f" {first.what} of {first.wh} Wh, in transaction {first.txid}"
        )
        return Finding(INVARIANT, ok=False, detail=detail)
    return Finding(
        INVARIANT, ok=True, detail="a withdrawal explains every Wh made on the chain"
    )
