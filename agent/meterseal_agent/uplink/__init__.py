"""The uplink: sealed bytes up, signed answers down, over a pipe nobody has to trust.

It must never take a broker's acknowledgement for the aggregator's.
"""
