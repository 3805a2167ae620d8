"""Tables of crystals: read, fetched, written."""
