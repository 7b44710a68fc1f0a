from pathlib import Path

import pytest
from demo.stage import ROOT, StageTaken, alone_in, shown


def test_a_second_run_is_kept_off_the_folder_of_the_first(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    with alone_in(folder), pytest.raises(StageTaken, match="end it with Ctrl-C"), alone_in(folder):
        pass


def test_the_folder_is_free_again_after_a_run(tmp_path: Path) -> None:
    for _ in range(2):
        with alone_in(tmp_path / "demo"):
            pass


def test_paths_are_shown_as_they_are_typed_in_the_repository(tmp_path: Path) -> None:
    assert shown(ROOT / "var" / "demo" / "ca.pem") == "var/demo/ca.pem"
    assert shown(tmp_path) == str(tmp_path)
