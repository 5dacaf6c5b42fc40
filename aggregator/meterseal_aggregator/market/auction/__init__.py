"""Lane B: sealed orders for a slot, opened and cleared at one price when its gate closes.

No module here may tell anybody of another's order before the clearing.
"""
