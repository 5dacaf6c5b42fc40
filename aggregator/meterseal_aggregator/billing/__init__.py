"""Money between members and the world outside: what operators recorded as paid.

No room here may take energy from anybody, nor money but by the ledger's transfers.
"""
