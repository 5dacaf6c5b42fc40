"""The transparency log: entries in order, a tree over them, signed heads, its own check.

Whoever accepts something appends its entry in the same transaction (`store.append`); the
sequencer gives indices, grows the tree and signs. No module here may sign a tree that
does not extend the one signed before.
"""
