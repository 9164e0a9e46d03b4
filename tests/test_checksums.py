"""A file is read as it was written, or one line says that it is not."""

import numpy as np
import pytest

from dicegrad.arrays import new_array
from dicegrad.checksums import checksum, sum_file, verify, verify_all
from dicegrad.errors import InputError
from dicegrad.files import write_table
from dicegrad.whole import whole_file, whole_path

TABLE = [{"case": f"p{number}", "volume": number} for number in range(20)]


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "volumes.tsv"
    write_table(TABLE, path)
    return path


def refused(call, *arguments):
    with pytest.raises(InputError) as error:
        call(*arguments)
    assert len(str(error.value).splitlines()) == 1
    return str(error.value)


def test_the_checksum_is_length_and_crc_32_of_the_content(tmp_path):
    path = tmp_path / "check.txt"
    path.write_bytes(b"123456789")
    assert checksum(path) == "9 cbf43926\n"  # the check value of CRC-32


def test_every_way_of_writing_a_file_leaves_its_checksum_beside_it(tmp_path, table):
    with whole_file(tmp_path / "a.json") as file:
        file.write(b"{}")
    with whole_path(tmp_path / "b.nii.gz") as temporary:
        temporary.write_bytes(b"voxels")
    with new_array(tmp_path / "c.npy", (3, 4), np.uint8) as array:
        array[:] = 7
    for path in (tmp_path / "a.json", tmp_path / "b.nii.gz", tmp_path / "c.npy", table):
        assert sum_file(path).read_text() == checksum(path)
        verify(path)


@pytest.mark.parametrize("place", [0, 30, -1])
def test_one_flipped_bit_is_noticed_and_the_remedy_named(table, place):
    content = bytearray(table.read_bytes())
    content[place] ^= 1
    table.write_bytes(content)
    message = refused(verify, table)
    assert message.startswith(f"{table}: has changed since it was written; delete {table} to make")
    assert ".volumes.tsv.sum" in message


def test_a_table_less_two_lines_is_not_taken_for_a_whole_one(table):
    lines = table.read_text().splitlines(keepends=True)
    table.write_text("".join(lines[:-2]))
    sizes = [sum(map(len, part)) for part in (lines[:-2], lines)]
    assert f"has {sizes[0]} bytes, but {sizes[1]} were written" in refused(verify, table)


def test_a_file_without_a_checksum_is_accepted_as_those_of_earlier_versions_are(table):
    sum_file(table).unlink()
    table.write_text("something else")
    verify(table)
    verify(table.with_name("missing.tsv"))


def test_a_new_content_has_a_new_checksum(table):
    write_table(TABLE[:3], table)
    verify(table)


def test_what_is_written_without_a_checksum_removes_the_one_of_the_file_before(tmp_path):
    path = tmp_path / "checkpoint.pt"
    for checked in (True, False):
        with whole_file(path, checked=checked) as file:
            file.write(b"content" + bytes(checked))
    assert [each.name for each in tmp_path.iterdir()] == ["checkpoint.pt"]
    verify(path)


def test_folds_may_be_edited(tmp_path):
    path = tmp_path / "folds.tsv"
    write_table([{"subject": "p1", "fold": 0}], path)
    path.write_text("subject\tfold\np1\t1\n")
    verify(path)


def test_a_file_in_a_folder_that_a_rule_makes_is_made_again_by_deleting_the_folder(tmp_path):
    folder = tmp_path / "predictions"
    for name in ("p1.nii.gz", "p2.nii.gz"):
        with whole_path(folder / name) as temporary:
            temporary.write_bytes(b"voxels of " + name.encode())
    verify_all([folder])
    (folder / "p2.nii.gz").write_bytes(b"voxels of")
    assert f"delete {folder} to make it again" in refused(verify_all, [folder])
    (folder / "p2.nii.gz").unlink()
    assert refused(verify_all, [folder]) == (
        f"{folder}/p2.nii.gz: is missing; delete {folder} to make it again"
    )


def test_what_a_kill_left_half_written_in_a_folder_is_passed_over(tmp_path):
    write_table(TABLE, tmp_path / "soft.tsv")
    (tmp_path / ".host-12-0123abcd.part..soft.tsv.sum").write_text("12")
    verify_all([tmp_path])


def test_a_file_is_read_once_in_a_process_and_again_when_it_is_another(table, monkeypatch):
    verify(table)
    content = table.read_bytes()
    monkeypatch.setattr("dicegrad.checksums.checksum", lambda path: pytest.fail("read again"))
    verify(table)
    monkeypatch.undo()
    table.write_bytes(content.replace(b"p1", b"q1"))
    assert "has changed" in refused(verify, table)
