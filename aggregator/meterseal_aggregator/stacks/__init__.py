"""Stacks: what we want done on the chain, and the log's roots published there or in a file.

The file publisher proves nothing and says so; the outbox does each deed on the chain once.
This room must never publish a size twice, or one that is not larger than the last.
"""
