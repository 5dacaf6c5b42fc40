"""Intake: sealed messages arrive, are checked, made durable and receipted."""
