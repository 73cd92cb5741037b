"""Loads what a source reads into a warehouse, without a platform: a source's command, a pipe, and dlt."""
