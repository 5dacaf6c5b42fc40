"""Evidence of a bill or a trade: one ZIP that anybody checks offline, claim by claim.

`archive` is how it travels, `contents` what is in it, `claims` asks the modules `claims_*`
what holds. Pure, of the standard library and this package alone. This room must never
believe a file because another one says so.
"""
