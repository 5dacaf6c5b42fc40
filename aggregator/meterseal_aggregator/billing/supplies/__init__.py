"""Who is billed for which meter point, by which tariff, from when to when.

It must never let a supply reach beyond its member's tenancy.
"""
