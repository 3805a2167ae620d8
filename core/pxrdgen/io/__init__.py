"""Files in and out: measured patterns come in through :mod:`pxrdgen.io.patterns`."""
