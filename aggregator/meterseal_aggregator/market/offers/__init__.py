"""Lane A: fixed-price offers, and orders that claim all of what they want or nothing.

Energy is claimed by the row of an offer's slot, money by the ledger's holds. This room must
never let two buyers claim one Wh, nor leave half an order behind.
"""
