"""Data that are not there yet are fetched once; data that are there are never touched."""

import functools
import shutil
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from dicegrad.data.phantoms import write_phantom
from tests.workflow.conftest import HEADER, ROWS

FOLDS = "resources/acdc-lowres/folds.tsv"


@pytest.fixture
def served(tmp_path, monkeypatch):
    """A server of `archives/hearts.zip` whose first answer breaks off, and what it was asked."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    asked = []

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def copyfile(self, source, target):
            asked.append(self.path)
            target.write(source.read(1000 if len(asked) == 1 else -1))

    write_phantom("heart", tmp_path / "made", 4, 0)
    shutil.make_archive(str(tmp_path / "archives" / "hearts"), "zip", tmp_path, "made")
    handler = functools.partial(Handler, directory=tmp_path / "archives")
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/hearts.zip", asked
        server.shutdown()
        thread.join()


@pytest.fixture
def remote(study, served):
    """The tiny study on data that are to be fetched into `data/hearts`."""
    study.table.write_text(HEADER + ROWS.replace("heart", "acdc-lowres"))
    heart = study.config()["datasets"]["heart"]
    del heart["phantom"]
    download = {"url": served[0], "archive": "kept/hearts.zip", "cases": {"ED": 4, "ES": 4}}
    place = {"root": "data/hearts", "download": download, "folds": {"count": 2}}
    study.write_config(datasets={"acdc-lowres": {**heart, **place}})
    return study


def test_data_are_fetched_once_and_then_nothing_is_to_be_done(remote, served):
    root = remote.folder / "data" / "hearts"
    output = remote.run(FOLDS)
    assert "hearts.zip: from byte 0 of" in output
    assert "complete, 8 cases verified" in output
    assert len(list(root.glob("training/patient*"))) == 4
    assert len(served[1]) == 2, "the first answer broke off"
    assert "Nothing to be done" in remote.run("-n", FOLDS, "download_acdc-lowres")
    assert not {"cases", "download_acdc-lowres"} & set(remote.plan())


def test_placed_data_are_verified_and_neither_fetched_nor_touched(remote, served):
    root = remote.folder / "data" / "hearts"
    shutil.copytree(remote.folder / "made", root)
    before = sorted(root.rglob("*"))
    assert "complete, 8 cases verified" in remote.run("download_acdc-lowres", FOLDS)
    assert sorted(root.rglob("*")) == before
    assert served[1] == []
    assert "Nothing to be done" in remote.run("-n", FOLDS)


@pytest.mark.slow
def test_an_archive_with_another_checksum_leaves_no_data(remote, served):
    config = remote.config()
    config["datasets"]["acdc-lowres"]["download"]["sha256"] = "0" * 64
    remote.write_config(**config)
    done = remote.snakemake("download_acdc-lowres")
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert done.returncode != 0
    assert "0" * 64 in errors[-1]
    assert not list((remote.folder / "data").rglob("*.nii.gz"))
    assert not list((remote.folder / "kept").iterdir())


def test_without_the_archive_of_brats_one_line_says_where_to_get_it_and_put_it(study):
    study.table.write_text(HEADER + "brats\tpartial\tdice\tI\t1e-7\t2\n")
    study.write_config(datasets={})
    done = study.snakemake("-n")
    assert done.returncode != 0
    (line,) = (line for line in (done.stdout + done.stderr).splitlines() if "not there" in line)
    assert "https://www.med.upenn.edu/sbia/brats2018/registration.html" in line
    place = study.folder / "data" / "downloads" / "MICCAI_BraTS_2018_Data_Training.zip"
    assert f"put it at {place} " in line
    assert str(study.folder / "data" / "brats2018") in line
