"""Pages that are computed are those of the manifest as it is now."""

from pathlib import Path

import pytest

from scripts import streams


def test_the_page_of_streams_says_what_the_manifest_does() -> None:
    manifest = streams.MANIFEST.read_text(encoding="utf-8")

    assert streams.PAGE.read_text(encoding="utf-8") == streams.page(manifest)


def test_an_outdated_page_fails_the_check_in_one_sentence_and_is_written_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(streams, "PAGE", tmp_path / "docs" / "streams.md")
    monkeypatch.setattr(streams, "page", lambda manifest: f"{len(manifest)} characters\n")

    assert streams.main(["--check"]) == 1
    assert capsys.readouterr().out == ("docs/streams.md is not what the manifest says: run `make docs`.\n")
    assert streams.main([]) == 0
    assert streams.main(["--check"]) == 0
