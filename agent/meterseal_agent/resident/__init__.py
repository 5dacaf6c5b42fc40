"""The resident's page: what his meters counted, what he was billed, what others see.

Served on the home's own network by the agent itself, to who knows the PIN. It reads the
outbox and must never write there, and nothing it shows may leave but to that reader.
"""
