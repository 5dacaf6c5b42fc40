"""What agents tell beside their seals: telemetry and health, kept for a while.

It has tables, a queue and a pace of its own. It must never hold a seal up, and nothing
here is ever billed, minted or logged.
"""
