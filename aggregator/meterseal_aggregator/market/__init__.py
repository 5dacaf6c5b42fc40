"""The market: offers and auctions over one cap, settlement by meters, minted Wh, trust.

No room here may take money or energy from anybody but by the ledger's transfers.
"""
