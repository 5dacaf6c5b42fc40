"""Evidence of bills and trades: gathered from all rooms into one ZIP that proves itself.

It must never hold anything but what its asker may see.
"""
