"""``pxrdgen plugins new``: a distribution that works as written, to be changed into somebody's own."""
