"""``cellnet``: a generative model of the reduced cell, told the peaks of the pattern."""
