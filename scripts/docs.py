"""Writes the pages that are computed: `make docs`."""

from scripts import coverage, diagram, streams

WRITERS = (streams, diagram, coverage)


def main() -> None:
    manifest = streams.MANIFEST.read_text(encoding="utf-8")
    for writer in WRITERS:
        writer.PAGE.write_text(writer.page(manifest), encoding="utf-8")


if __name__ == "__main__":
    main()
