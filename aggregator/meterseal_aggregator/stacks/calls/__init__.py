"""Every public function of our contracts as a Python function, one module a duty.

Each takes the deployment first and returns a `Call`: arguments in the contract's units
(Wh, micro-STX or micro-units of a token, Unix seconds, rates in 1/10000) and every asset
that may move. Docstrings name the errors a contract may answer; contracts/ERRORS.md says
what each means. `privacy-proof` and `seals` only answer questions and have no calls. This
room must never send, sign or remember anything.
"""
