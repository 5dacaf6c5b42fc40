"""What our contracts printed, followed by block, and what it adds up to.

No mirror may say more than settled events do.
"""
