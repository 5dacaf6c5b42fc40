"""Bills on the Stacks rail: their hashes posted, opened ones computed and paid there.

The contract is the truth: the ledger moves by settled events alone, in `chain:*` accounts.
"""
