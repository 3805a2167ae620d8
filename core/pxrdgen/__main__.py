"""``python -m pxrdgen``: the command line."""

from pxrdgen.cli import main

if __name__ == "__main__":
    main()
