"""The chain: what we want done there, what we believe of it, and energy that moves there and back.

    withdrawals > mirror > anchors | wallet > outbox > node > events > calls > transaction

`transaction` has the bytes, `calls` a typed call for each function of our contracts, `events`
what they print; `node` asks, `outbox` does, `anchors` publishes roots, `wallet` hands calls to
members, `mirror` follows what was printed, `withdrawals` moves Wh. Imports run to the right.
This room must never publish a size twice, or one that is not larger than the last.
"""
