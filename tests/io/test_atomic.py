"""A saved file is the old one or the new one, never half of either."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from napari_medseg.io.atomic import (
    SaveError,
    atomic_folder,
    atomic_write,
    make_folder,
    remove_folder,
    split_suffix,
    write_once,
)
from napari_medseg.io.leftovers import sweep_stale


def write_bytes(content: bytes):
    return lambda path: path.write_bytes(content)


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def test_file_is_written_under_its_name_only(tmp_path):
    seen = []
    result = atomic_write(tmp_path / "a.ome.tif", write_bytes(b"new"), seen.append)
    assert result.read_bytes() == b"new"
    assert names(tmp_path) == ["a.ome.tif"]
    assert seen[0].parent == tmp_path
    assert seen[0].name.startswith(".a.") and seen[0].name.endswith(".tmp.ome.tif")


@pytest.mark.parametrize("failure", [ValueError("bad"), OSError(errno.ENOSPC, "No space left")])
def test_failed_writing_keeps_the_old_file(tmp_path, failure):
    target = tmp_path / "a.png"
    target.write_bytes(b"old")

    def write(path: Path) -> None:
        path.write_bytes(b"ne")
        raise failure

    with pytest.raises(type(failure), match=r"disk is full|bad"):
        atomic_write(target, write)
    assert target.read_bytes() == b"old"
    assert names(tmp_path) == ["a.png"]


def test_file_that_does_not_read_back_is_not_kept(tmp_path):
    def verify(path: Path) -> None:
        raise ValueError("voxels differ")

    with pytest.raises(SaveError, match=r"did not read back.*voxels differ"):
        atomic_write(tmp_path / "a.png", write_bytes(b"x"), verify)
    assert names(tmp_path) == []


def test_full_disk_is_told_in_words_with_its_number(tmp_path):
    def write(path: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(SaveError, match=r"^a\.png was not saved: the disk is full") as caught:
        atomic_write(tmp_path / "a.png", write)
    assert caught.value.errno == errno.ENOSPC


def test_missing_folder_and_folder_as_file_are_told(tmp_path):
    with pytest.raises(SaveError, match="does not exist"):
        atomic_write(tmp_path / "none" / "a.png", write_bytes(b""))
    with pytest.raises(SaveError, match="is a folder"):
        atomic_write(tmp_path, write_bytes(b""))


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere"
)
def test_read_only_folder_is_told(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(SaveError, match="may not write"):
        atomic_write(tmp_path / "a.png", write_bytes(b""))
    tmp_path.chmod(0o700)


def test_a_folder_that_cannot_be_made_is_told(tmp_path, monkeypatch):
    (tmp_path / "file").write_bytes(b"")
    for place in ("file", "file/sub"):
        with pytest.raises(SaveError, match="a file has its place"):
            make_folder(tmp_path / place)
    assert make_folder(tmp_path / "new" / "sub").is_dir()
    assert make_folder(tmp_path / "new").is_dir(), "one that is there will do"

    def refuse(self, *_, **__):
        raise OSError(errno.EROFS, "Read-only file system", str(self))

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(SaveError, match=rf"^out was not saved: {tmp_path} is read-only; choose"):
        make_folder(tmp_path / "out")


def test_link_stays_a_link_and_mode_is_kept(tmp_path):
    real = tmp_path / "real.png"
    real.write_bytes(b"old")
    real.chmod(0o640)
    link = tmp_path / "link.png"
    link.symlink_to(real)
    atomic_write(link, write_bytes(b"new"))
    assert link.is_symlink() and real.read_bytes() == b"new"
    assert real.stat().st_mode & 0o777 == 0o640


def test_longest_name_can_be_saved(tmp_path):
    name = "ä" * 125 + ".png"
    assert atomic_write(tmp_path / name, write_bytes(b"x")).name == name


def test_killed_process_leaves_the_old_file_and_a_sweepable_rest(tmp_path):
    target = tmp_path / "a.bin"
    target.write_bytes(b"old")
    script = (
        "import os, signal, sys\n"
        "from napari_medseg.io.atomic import atomic_write\n"
        "def write(path):\n"
        "    path.write_bytes(b'half')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "atomic_write(sys.argv[1], write)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(target)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert target.read_bytes() == b"old"
    assert len(names(tmp_path)) == 2
    assert sweep_stale(tmp_path) == []
    assert len(sweep_stale(tmp_path, older_than=-1)) == 1
    assert names(tmp_path) == ["a.bin"]


def test_sweeping_leaves_other_hidden_files_alone(tmp_path):
    for name in (".bashrc", ".a.tmp", ".a.0123abcd.tmp.png", "b.0123abcd.tmp"):
        (tmp_path / name).write_bytes(b"")
        os.utime(tmp_path / name, (time.time() - 7200,) * 2)
    assert [entry.name for entry in sweep_stale(tmp_path)] == [".a.0123abcd.tmp.png"]
    assert sweep_stale(tmp_path / "none") == []


def fill(folder: Path) -> None:
    (folder / "images").mkdir()
    (folder / "images" / "a.png").write_bytes(b"new")


def test_folder_is_written_whole(tmp_path):
    atomic_folder(tmp_path / "set", fill)
    assert (tmp_path / "set" / "images" / "a.png").read_bytes() == b"new"
    assert names(tmp_path) == ["set"]


def test_folder_with_other_things_is_never_replaced_unasked(tmp_path):
    (tmp_path / "thesis.txt").write_text("years")
    with pytest.raises(SaveError, match="holds other things"):
        atomic_folder(tmp_path, fill)
    assert names(tmp_path) == ["thesis.txt"]


def test_folder_is_replaced_where_the_caller_says_so(tmp_path):
    target = tmp_path / "set"
    target.mkdir()
    (target / "old.png").write_bytes(b"old")
    atomic_folder(target, fill, may_replace=lambda folder: True)
    assert names(target) == ["images"] and names(tmp_path) == ["set"]


def test_failed_folder_keeps_the_old_one(tmp_path):
    target = tmp_path / "set"
    target.mkdir()
    (target / "old.png").write_bytes(b"old")

    def write(folder: Path) -> None:
        fill(folder)
        raise ValueError("bad example")

    with pytest.raises(ValueError, match="bad example"):
        atomic_folder(target, write, may_replace=lambda folder: True)
    assert names(target) == ["old.png"] and names(tmp_path) == ["set"]


def test_folder_cut_off_between_two_renames_gets_its_name_back(tmp_path):
    hidden = tmp_path / ".set.0123abcd.old"
    hidden.mkdir()
    (hidden / "old.png").write_bytes(b"old")
    sweep_stale(tmp_path)
    assert names(tmp_path) == ["set"] and names(tmp_path / "set") == ["old.png"]


def test_a_removal_that_was_cut_off_is_not_undone(tmp_path, monkeypatch):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "card.json").write_text("{}")
    monkeypatch.setattr("shutil.rmtree", lambda *_, **__: None)
    remove_folder(tmp_path / "model")
    monkeypatch.undo()
    assert not (tmp_path / "model").exists()
    sweep_stale(tmp_path)
    assert not (tmp_path / "model").exists()
    sweep_stale(tmp_path, older_than=-1)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("links", [True, False])
def test_of_two_that_write_a_file_once_the_first_stays(tmp_path, monkeypatch, links):
    path = tmp_path / "a.key"
    if not links:
        monkeypatch.setattr(os, "link", lambda *_: os.stat("/no such file"))

    def late(to: Path) -> None:
        write_once(path, lambda early: early.write_text("first"))
        to.write_text("second")

    write_once(path, late)
    assert path.read_text() == "first"
    assert list(tmp_path.iterdir()) == [path]


def test_suffixes_of_two_parts_are_one():
    assert split_suffix("scan.nii.gz") == ("scan", ".nii.gz")
    assert split_suffix("a.b.OME.TIF") == ("a.b", ".OME.TIF")
    assert split_suffix("a.b.png") == ("a.b", ".png")
