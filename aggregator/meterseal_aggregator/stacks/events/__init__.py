"""What our contracts print, one record for each topic, read strictly.

`reading.read` is the way in. Each record has the fields its contract prints and no other,
so an indexer never guesses; a value that is none of them is Malformed: a node that tells
it is wrong or lies. This room must never change a mirror: whoever follows the chain does.
"""
