"""Rating: what usage costs by a tariff, line by line, so that anybody may count it again.

Pure. A load (`load`) and a tariff (`tariff`) give rated lines (`line`) by `price`; a
statement (`statement`) holds them. This room must never read a clock, a zone database or
a reading: whoever asks brings them.
"""
