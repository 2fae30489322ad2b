"""Files and folders that appear whole under their names, or not at all."""

import shutil
from pathlib import Path

import pytest

from dnastudy.core.atomic import atomic_dir, atomic_write


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_whole_or_as_it_was(tmp_path, monkeypatch):
    path = atomic_write(tmp_path / "deep" / "file.txt", "first")
    assert path.read_text() == "first"
    atomic_write(path, b"second")
    assert path.read_bytes() == b"second"

    def full(file):
        raise OSError("no space left")

    with monkeypatch.context() as disk:
        disk.setattr("dnastudy.core.atomic.os.fsync", full)  # the file is written, and not yet on the disk
        with pytest.raises(OSError, match="no space left"):
            atomic_write(path, "third")
    assert path.read_bytes() == b"second"
    assert names(path.parent) == ["file.txt"]


def fill(folder: Path, text: str) -> None:
    with atomic_dir(folder) as half:
        assert half.parent == folder.parent
        assert half.name.startswith(".")
        (half / "a.txt").write_text(text)
        (half / f"{text}.txt").write_text(text)


def test_a_folder_is_whole_or_as_it_was(tmp_path):
    folder = tmp_path / "deep" / "folder"
    fill(folder, "first")
    fill(folder, "second")
    assert names(folder) == ["a.txt", "second.txt"], "nothing of the first is left"
    for error in (ValueError, KeyboardInterrupt):
        with pytest.raises(error), atomic_dir(folder) as half:
            (half / "a.txt").write_text("third")
            assert (folder / "a.txt").read_text() == "second", "readers see the old one until the end"
            raise error
        assert names(folder) == ["a.txt", "second.txt"]
    with pytest.raises(ValueError, match="early"), atomic_dir(tmp_path / "new"):
        raise ValueError("early")
    assert names(tmp_path) == ["deep"]
    assert names(folder.parent) == ["folder"]


def test_a_folder_that_cannot_take_its_name_leaves_the_old_one(tmp_path, monkeypatch):
    folder = tmp_path / "folder"
    fill(folder, "first")
    replace, move = Path.replace, shutil.move

    def refused(path) -> bool:
        if Path(path).name.endswith(".part"):
            raise OSError("busy")
        return False

    monkeypatch.setattr(Path, "replace", lambda self, target: refused(self) or replace(self, target))
    monkeypatch.setattr(shutil, "move", lambda source, target: refused(source) or move(source, target))
    with pytest.raises(OSError, match="busy"):
        fill(folder, "second")
    assert names(folder) == ["a.txt", "first.txt"]
    assert names(tmp_path) == ["folder"]
