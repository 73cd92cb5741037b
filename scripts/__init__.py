"""The user commands of this checkout: `make sync` and `make demo`."""
