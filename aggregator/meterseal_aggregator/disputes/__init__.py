"""Disputes: a member says what is wrong with a bill or a trade, and an operator decides.

It must never stop more than the part that is disputed.
"""
