"""The trustee: masks held by another organisation, so no single party opens a household.

The program arrives with private metering; until then the package only keeps its place
in the import contracts. It must never share a database or a key with the aggregator.
"""
