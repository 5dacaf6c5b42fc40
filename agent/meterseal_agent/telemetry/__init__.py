"""Telemetry: what meters show between two seals, kept apart and told beside the books.

It may be lost and nothing is billed by it. It must never delay or displace a seal, nor
tell what a committed register hides.
"""
