"""Classical indexing: trial assignments and voting in every lattice type, down to triclinic."""
