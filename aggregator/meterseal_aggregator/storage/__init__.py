"""The database: one engine, one writer, forward migrations; where SQL dialects differ, here.

No other room may open a connection of its own.
"""
