"""Scorers of proposed cells: time warping of line lists, and a Le Bail fit of the profile."""
