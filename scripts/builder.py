"""Writes the two texts that are pasted into Airbyte's Connector Builder: `make builder [VENDOR=iterable|courier]`.

The Builder's page lists the entries of `streams` by their names, and a block of streams with a condition has none. So
here all streams stand in one list; or those of one vendor, since the Builder makes every stream before it tests one,
and cannot make those of a vendor without a key.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENDORS = ("iterable", "courier")
# In the order of VENDORS; a row of a block is a row of a list at the same depth.
_BLOCK = re.compile(r"^  - type: ConditionalStreams\n(?:    .*\n)+?    streams:\n((?:    .*\n)+)", re.MULTILINE)


def main(arguments: list[str]) -> int:
    if arguments and arguments[0] not in VENDORS:
        print(f"VENDOR must be {' or '.join(VENDORS)}, or left out for both.")
        return 1
    folder = ROOT / "build" / "builder"
    folder.mkdir(parents=True, exist_ok=True)
    manifest = flat((ROOT / "manifest.yaml").read_text(encoding="utf-8"), *arguments[:1])
    (folder / "manifest.yaml").write_text(manifest, encoding="utf-8")
    components = (ROOT / "components.py").read_text(encoding="utf-8")
    (folder / "components.py").write_text(components, encoding="utf-8")
    print("Import build/builder/manifest.yaml, and paste build/builder/components.py as its custom components.")
    return 0


def flat(manifest: str, vendor: str = "") -> str:
    """Return a manifest's text with the streams of one vendor, or of both, in one list.

    `streams: [{type: ConditionalStreams, streams: [{name: lists}]}, …]` becomes `streams: [{name: lists}, …]`.
    """
    vendors = iter(VENDORS)
    return _BLOCK.sub(lambda block: block[1] if next(vendors) == vendor or not vendor else "", manifest)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
