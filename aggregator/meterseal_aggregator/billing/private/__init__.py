"""Private bills as statements: what a device opened becomes a bill like any other.

Nobody learns more of a home than what its device opened (SETTLED 19, 20): the period's
total, one amount, or the totals of a tariff's periods.
"""
