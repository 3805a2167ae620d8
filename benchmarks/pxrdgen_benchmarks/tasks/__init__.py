"""The kinds of measurement, one a module; :mod:`pxrdgen_benchmarks.task` knows them by name."""
