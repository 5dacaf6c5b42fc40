"""The database: one durable writer, read-only readers, forward migrations.

No other room may open a connection of its own.
"""
