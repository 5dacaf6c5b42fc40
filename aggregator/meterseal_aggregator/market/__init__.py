"""The market's rules: trust, discovery, an order's life, and delivery to the micro-unit.

No room here may take money or energy from anybody but by the ledger's transfers.
"""
