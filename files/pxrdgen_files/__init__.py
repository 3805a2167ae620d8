"""Files read and written: CIF, patterns, instruments, folders."""
