import functools
import threading
import zipfile
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import nibabel as nib
import numpy as np
import pytest

from dicegrad.data.download import (
    MARKER,
    Source,
    check_available,
    install,
    is_placed,
    obtain,
    verify,
)
from dicegrad.errors import InputError
from tests.conftest import find_cases

ACDC_CASES = {"ED": 100, "ES": 100}
BRATS_CASES = {"HGG": 210, "LGG": 75}
NOWHERE = "http://127.0.0.1:9/none"


@pytest.fixture(scope="module")
def volumes(tmp_path_factory):
    """Bytes of a tiny image and of tiny labels by the values they hold."""
    folder = tmp_path_factory.mktemp("volumes")

    def written(*values):
        array = np.resize(np.array(values, np.uint8), (4, 4, 3))
        nib.save(nib.Nifti1Image(array, np.eye(4)), folder / "volume.nii.gz")
        return (folder / "volume.nii.gz").read_bytes()

    return {values: written(*values) for values in ((0, 9), (0, 1, 2, 3), (0, 1, 2, 4), (0,))}


def acdc_members(volumes, patients=100, top="ACDC/database/"):
    image, label = volumes[0, 9], volumes[0, 1, 2, 3]
    members = {f"{top}MANDATORY_CITATION.md": b"cite", f"{top}testing/patient101/Info.cfg": b""}
    for number in range(1, patients + 1):
        name = f"patient{number:03d}"
        stem = f"{top}training/{name}/{name}"
        members[f"{top}training/{name}/Info.cfg"] = b"ED: 1\nES: 12\nGroup: DCM\n"
        members[f"{stem}_4d.nii.gz"] = b"not read"
        for frame in ("01", "12"):
            members[f"{stem}_frame{frame}.nii.gz"] = image
            members[f"{stem}_frame{frame}_gt.nii.gz"] = label
    return members


def brats_members(volumes, high=210, low=75, top=""):
    members = {f"{top}survival_data.csv": b""}
    for grade, number in (("HGG", high), ("LGG", low)):
        for i in range(number):
            name = f"Brats18_{grade}_{i:03d}_1"
            for part in ("flair", "t1", "t1ce", "t2", "seg"):
                content = volumes[0, 1, 2, 4] if part == "seg" else volumes[0, 9]
                members[f"{top}{grade}/{name}/{name}_{part}.nii.gz"] = content
    return members


def make_zip(path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


@pytest.fixture
def served(tmp_path, monkeypatch):
    """A folder, and the address at which its files can be fetched."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    folder = tmp_path / "served"
    folder.mkdir()

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    handler = functools.partial(Quiet, directory=folder)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield folder, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_acdc_is_fetched_unpacked_verified_and_then_left_alone(volumes, served, tmp_path):
    folder, address = served
    make_zip(folder / "acdc.zip", acdc_members(volumes))
    root, archive = tmp_path / "acdc", tmp_path / "downloads" / "acdc.zip"
    source = Source(archive, ACDC_CASES, f"{address}/acdc.zip")
    lines = []
    obtain("acdc", root, source, report=lines.append)
    assert len(find_cases("acdc", root)) == 200
    assert (root / "MANDATORY_CITATION.md").exists()
    assert (root / MARKER).exists()
    assert "from byte 0 of" in lines[0]
    assert "files unpacked" in lines[-1]
    archive.unlink()
    (folder / "acdc.zip").unlink()
    assert obtain("acdc", root, source) == root


def test_an_acdc_archive_that_the_user_has_placed_is_used(volumes, tmp_path):
    archive = make_zip(tmp_path / "acdc.zip", acdc_members(volumes, top="database/"))
    obtain("acdc", tmp_path / "acdc", Source(archive, ACDC_CASES, NOWHERE))
    assert len(find_cases("acdc", tmp_path / "acdc")) == 200


def test_data_that_the_user_has_placed_are_verified_and_not_touched(volumes, tmp_path):
    archive = make_zip(tmp_path / "acdc.zip", acdc_members(volumes, patients=2))
    source = Source(archive, {"ED": 2, "ES": 2}, NOWHERE)
    root = install("acdc", archive, tmp_path / "acdc", source.cases)
    (root / MARKER).unlink()
    before = sorted(root.rglob("*"))
    obtain("acdc", root, source)
    assert sorted(root.rglob("*")) == before
    next(root.rglob("*_gt.nii.gz")).unlink()
    with pytest.raises(InputError, match="image without label"):
        obtain("acdc", root, source)


def test_what_was_installed_here_is_told_from_what_was_placed(volumes, tmp_path):
    archive = make_zip(tmp_path / "acdc.zip", acdc_members(volumes, patients=2))
    root = tmp_path / "acdc"
    assert not is_placed(root)
    root.mkdir()
    assert not is_placed(root)
    install("acdc", archive, root, {"ED": 2, "ES": 2})
    assert not is_placed(root)
    (root / MARKER).unlink()
    assert is_placed(root)
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "storage")
    assert is_placed(link), "a link to storage that is not mounted now is no place for a download"


def test_an_incomplete_acdc_leaves_no_root_behind(volumes, tmp_path):
    members = acdc_members(volumes, patients=99)
    archive = make_zip(tmp_path / "acdc.zip", members)
    with pytest.raises(InputError, match="99 cases of group ED, acdc has 100"):
        obtain("acdc", tmp_path / "acdc", Source(archive, ACDC_CASES, NOWHERE))
    assert [path.name for path in tmp_path.iterdir()] == ["acdc.zip"]


def test_an_acdc_label_with_a_fourth_value_or_with_none_is_named(volumes, tmp_path):
    for values, says in (((0, 1, 2, 4), "label value 4"), ((0,), "nothing is labelled")):
        members = acdc_members(volumes, patients=2)
        members["ACDC/database/training/patient002/patient002_frame12_gt.nii.gz"] = volumes[values]
        archive = make_zip(tmp_path / "acdc.zip", members)
        with pytest.raises(InputError, match=f"patient002_frame12_gt.nii.gz: {says}"):
            install("acdc", archive, tmp_path / "acdc", {"ED": 2, "ES": 2})


def test_a_missing_frame_is_named(volumes, tmp_path):
    members = acdc_members(volumes, patients=2)
    del members["ACDC/database/training/patient001/patient001_frame12.nii.gz"]
    archive = make_zip(tmp_path / "acdc.zip", members)
    with pytest.raises(InputError, match="patient001_ES: label without image"):
        install("acdc", archive, tmp_path / "acdc", {"ED": 2, "ES": 2})


def test_a_hostile_member_leaves_root_and_surroundings_untouched(volumes, tmp_path):
    members = acdc_members(volumes, patients=2) | {"../evil.txt": b"evil"}
    archive = make_zip(tmp_path / "acdc.zip", members)
    with pytest.raises(InputError, match=r"'../evil.txt' leads out"):
        install("acdc", archive, tmp_path / "deep" / "acdc", {"ED": 2, "ES": 2})
    assert not list(tmp_path.rglob("evil.txt"))
    assert not (tmp_path / "deep").exists()


def test_a_root_that_holds_something_else_is_not_overwritten(volumes, tmp_path):
    archive = make_zip(tmp_path / "acdc.zip", acdc_members(volumes, patients=2))
    (tmp_path / "acdc").mkdir()
    (tmp_path / "acdc" / "mine.txt").touch()
    with pytest.raises(InputError, match="is not empty"):
        install("acdc", archive, tmp_path / "acdc", {"ED": 2, "ES": 2})
    assert (tmp_path / "acdc" / "mine.txt").exists()


def test_an_archive_of_something_else_is_refused(tmp_path):
    archive = make_zip(tmp_path / "other.zip", {"photos/1.jpg": b""})
    with pytest.raises(InputError, match="0 folders `training` in it"):
        install("acdc", archive, tmp_path / "acdc", ACDC_CASES)


def test_without_the_brats_archive_the_user_is_told_where_to_get_it_and_put_it(tmp_path):
    source = Source(tmp_path / "brats.zip", BRATS_CASES, page="https://where.org/registration")
    with pytest.raises(InputError) as error:
        obtain("brats", tmp_path / "brats2018", source)
    message = str(error.value)
    assert "ask for it at https://where.org/registration" in message
    assert str(tmp_path / "brats.zip") in message
    assert str(tmp_path / "brats2018") in message
    assert "\n" not in message


def test_a_whole_brats_archive_is_unpacked_and_verified(volumes, tmp_path):
    archive = make_zip(tmp_path / "brats.zip", brats_members(volumes))
    root = tmp_path / "brats2018"
    obtain("brats", root, Source(archive, BRATS_CASES))
    assert (root / "HGG").is_dir()
    assert len(find_cases("brats", root)) == sum(BRATS_CASES.values()) == 285


def test_the_folder_in_which_an_archive_is_wrapped_does_not_matter(volumes, tmp_path):
    top = "MICCAI_BraTS_2018_Data_Training/"
    archive = make_zip(tmp_path / "brats.zip", brats_members(volumes, 2, 1, top))
    root = install("brats", archive, tmp_path / "brats", {"HGG": 2, "LGG": 1})
    assert (root / "HGG").is_dir()
    verify("brats", root, {"HGG": 2, "LGG": 1})


def test_brats_with_a_missing_file_or_subject_is_refused(volumes, tmp_path):
    members = brats_members(volumes, 4, 2)
    del members["LGG/Brats18_LGG_001_1/Brats18_LGG_001_1_t1ce.nii.gz"]
    archive = make_zip(tmp_path / "brats.zip", members)
    with pytest.raises(InputError, match="modality t1ce is missing"):
        install("brats", archive, tmp_path / "brats", {"HGG": 4, "LGG": 2})
    make_zip(archive, brats_members(volumes, 4, 75))
    with pytest.raises(InputError, match="4 cases of group HGG, brats has 210"):
        obtain("brats", tmp_path / "brats", Source(archive, BRATS_CASES))


def test_a_placed_brats_archive_with_another_checksum_is_refused(volumes, tmp_path):
    archive = make_zip(tmp_path / "brats.zip", brats_members(volumes, 1, 1))
    with pytest.raises(InputError, match="sha256 is"):
        obtain("brats", tmp_path / "brats", Source(archive, BRATS_CASES, sha256="0" * 64))


def test_nothing_is_fetched_to_a_folder_that_is_not_there(tmp_path):
    source = Source(tmp_path / "acdc.zip", ACDC_CASES, url=NOWHERE)
    check_available("acdc", tmp_path / "acdc", source)
    root = tmp_path / "storge" / "acdc"
    with pytest.raises(InputError, match=f"^root {root}: does not exist, nor does {root.parent};"):
        check_available("acdc", root, source)
