"""Lane C: minted Wh for sale at the community's price, bought and given back at once.

No room here may sell a Wh that is promised elsewhere, nor pay back money it does not hold.
"""
