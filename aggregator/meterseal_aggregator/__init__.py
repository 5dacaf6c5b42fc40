"""The aggregator, the oracle: it checks seals, keeps the books and the public log.

It must never answer for a reading that is not yet committed, nor import another program.
"""
