"""Settlement: what the meters say of a slot becomes Wh and money, trade by trade, run by run.

No room here may deliver a Wh that was not credited, or pay one that was not delivered.
"""
