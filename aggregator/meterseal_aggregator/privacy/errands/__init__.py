"""Errands with private meters: bills asked for, tariffs told, seeds taken and confirmed.

`desk` takes what agents tell, `send` tells them what they have not answered, `requests`
is what the API asks. It must never hold a seal up.
"""
