"""A pattern taken apart into the intensities of the lines of a known cell."""
