"""What is fast, beside the bare limit or a peer, measured in one run; never a test."""
