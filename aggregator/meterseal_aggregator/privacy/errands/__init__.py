"""Errands with private meters: bills asked for, tariffs told, seeds taken and confirmed.

`desk` takes what agents tell, `send` tells them what they have not answered, `store` keeps
which bills are asked for, `nettings` what may be netted. It must never hold a seal up.
"""
