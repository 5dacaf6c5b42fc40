"""Withdrawals: a member's credited Wh go to the chain and come back, never on both at once.

The ledger moves in the transaction that writes down the wish; the chain's settled events
move the rest. This room must never post what no withdrawal, deposit or retirement explains.
"""
