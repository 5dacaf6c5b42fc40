"""The trustee: masks held by another organisation, so no single party opens a household.

It must never share a database, a key or an owner with the aggregator.
"""
