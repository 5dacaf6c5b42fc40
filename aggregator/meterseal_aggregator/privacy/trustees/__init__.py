"""Three trustees of other organisations, asked for what only they can give.

Seeds go to them, rosters and sets are signed by them, and two of them let a total be
known. What they say is checked with their keys and kept before anything follows from it.
This part of the room must never show a trustee what one home told.
"""
