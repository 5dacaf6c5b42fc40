"""Bills on the Stacks rail: their hashes posted, opened ones computed and paid there.

The contract is the truth: the ledger moves by settled events alone, in `chain:*` accounts.
This room must never post what no event told, nor open usage for a member.
"""
