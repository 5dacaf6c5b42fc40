"""Figures of billing for providers and auditors: sums over many members, never of one.

Nothing here writes.
"""
