"""The commands behind `make sync`, `make demo` and `make demo-loop`, and what writes generated files."""
