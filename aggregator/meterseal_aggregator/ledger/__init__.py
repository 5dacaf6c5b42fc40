"""The ledger: double-entry accounts of Wh and money, and the rules that move them.

Rooms above post transfers through `ledger.store`; nobody else writes its tables.
"""
