"""What atoms do with a radiation: amplitude, polarisation, visibility. A new kind of radiation is built here alone."""
