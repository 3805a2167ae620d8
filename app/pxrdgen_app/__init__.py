"""What users meet: the Python door, the command line, the report."""
