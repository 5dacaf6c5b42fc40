"""The program beside the meters: it reads them, seals every interval and keeps it safe.

It must never invent a reading, and never forget one before a signed receipt.
"""
