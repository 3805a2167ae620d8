"""Damped least squares (Levenberg 1944; Marquardt 1963, doi:10.1137/0111030): of one problem, and of many at once."""
