"""The outbox: what the meters said, on disk before anything else happens to it.

It must never drop a row that no signed receipt has answered.
"""
