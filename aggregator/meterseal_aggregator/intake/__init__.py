"""Intake: sealed messages arrive, are checked, made durable and receipted.

    mqtt (endpoint | broker) > port > batch > judge > accept > keep > answer > port

`accept` holds the rules, `batch` the one transaction, `store` what other rooms may
read. Nothing of this room may be counted, minted or billed that `accept` did not accept.
"""
