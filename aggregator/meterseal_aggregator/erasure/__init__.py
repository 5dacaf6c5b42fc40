"""Erasure: a member's personal data and salts go, every other proof still verifies.

It must never touch what somebody else's proof stands on.
"""
