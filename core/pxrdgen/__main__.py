"""``python -m pxrdgen``: the command line."""

import importlib

if __name__ == "__main__":
    importlib.import_module("pxrdgen_app.cli").main()
