"""GSAS-II behind a worker process: refinement, simulation, indexing.

GSAS-II (Toby & Von Dreele 2013, doi:10.1107/S0021889813003531) often lives in a Python of its own, prints, keeps
global state and may crash, so it is never imported here: ``worker`` runs in its interpreter, one process and one folder
a call.
"""
