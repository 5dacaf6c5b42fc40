"""The log's roots, published on the chain or in a file, and the anchor a file of evidence carries.

Nothing may be published that is not a signed checkpoint.
"""
