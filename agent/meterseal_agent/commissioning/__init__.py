"""Commissioning: what is done once at the wall, by a person, before the agent runs.

It must never take up a register whose value nobody has read.
"""
