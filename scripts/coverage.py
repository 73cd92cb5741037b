"""The text of docs/coverage.md, what is read of the vendors' APIs, from docs/endpoints.yaml and the manifest."""

from scripts.streams import ROOT, SITES, endpoints, resolve, streams_of, table

PAGE = ROOT / "docs" / "coverage.md"

INTRODUCTION = """\
<!-- Written by `make docs` from docs/endpoints.yaml and manifest.yaml; edit those, not this page. -->
# What is read of the vendors' APIs

Every endpoint that answers GET, with the streams whose rows it brings, or why it brings none. *Allowed* is the vendor's
limit, whoever asks. An endpoint links to the vendor's page, or to the front page where that page's address is unknown.
"""
HEAD = ["Endpoint", "Streams, or why there is none", "Allowed"]
EXPORTS = "[all exports](streams.md#iterable-exports)"


def page(manifest: str) -> str:
    """The whole page, for a manifest's text."""
    streams = list(streams_of(resolve(manifest)))
    parts = [INTRODUCTION]
    for vendor in SITES:
        rows = []
        for endpoint in endpoints(vendor):
            readers = [stream for stream in streams if endpoint.path in stream.paths and stream.vendor == vendor]
            names = dict.fromkeys(EXPORTS if by.data_type else f"[{by.name}](streams.md#{by.name})" for by in readers)
            rows.append([endpoint.link, ", ".join(names) or endpoint.serves or endpoint.why, endpoint.limit])
        parts.append(f"## {vendor}\n\n{table(HEAD, rows)}")
    return "\n".join(parts)
