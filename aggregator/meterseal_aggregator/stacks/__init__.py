"""Anchors: the log's size and root, published where the operator cannot take them back.

Today's publisher writes a file, which proves nothing and says so. This room must never
publish a size twice, or one that is not larger than the last.
"""
