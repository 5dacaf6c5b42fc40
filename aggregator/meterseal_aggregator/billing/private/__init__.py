"""Private bills as statements: what a device opened becomes a bill like any other.

What its device opened is the period's total, one amount, or the totals of a tariff's
periods; of what neighbours sold it proves, slot by slot, that as much was used. This room
must never learn more of a home.
"""
