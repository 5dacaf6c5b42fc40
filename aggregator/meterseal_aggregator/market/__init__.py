"""The market: offers, orders, auctions, their settlement by metered delivery, and trust."""
