"""One loop from a prepared question to the answer."""
