"""One reader and one writer of tables; files that appear whole or not at all."""

import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicegrad.errors import InputError
from dicegrad.files import (
    Columns,
    read_cells,
    read_json,
    read_rows,
    read_table,
    read_text,
    write_table,
)
from dicegrad.whole import whole_file, whole_path
from tests.conftest import files_in, refusal

COLUMNS = Columns(text=("case", "group"), numbers=("dsc",), whole=("fold",), flags=("seen",))
ROWS = [
    {"case": "001", "group": "1", "dsc": 0.5, "fold": 0, "seen": True},
    {"case": "NA", "group": "True", "dsc": float("nan"), "fold": 12, "seen": False},
    {"case": "1e5", "group": "", "dsc": -1e-9, "fold": 3, "seen": True},
]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "new" / "folder" / "table.tsv"


def same(ours, theirs):
    return repr(ours) == repr(theirs)  # nan is nan


def test_a_table_comes_back_as_it_was(path):
    write_table(ROWS, path)
    assert same(read_rows(path, COLUMNS), ROWS)
    table = read_table(path, COLUMNS)
    assert table["case"].tolist() == ["001", "NA", "1e5"]
    assert table["group"].tolist() == ["1", "True", ""]
    assert table.dtypes[["dsc", "fold", "seen"]].tolist() == [float, int, bool]


def test_a_data_frame_and_its_rows_are_written_alike(path, tmp_path):
    write_table(ROWS, path)
    write_table(pd.DataFrame(ROWS), tmp_path / "frame.tsv")
    assert (tmp_path / "frame.tsv").read_bytes() == path.read_bytes()


def test_numbers_are_written_with_the_digits_asked_for_and_numpys_as_pythons(path):
    row = {"a": np.float64(1 / 3), "b": np.int64(7), "c": np.bool_(True), "d": None, "e": np.nan}
    write_table([row], path, digits=3)
    assert path.read_text() == "a\tb\tc\td\te\n0.333\t7\tTrue\tnan\tnan\n"


def test_a_table_without_rows_has_its_header(path):
    write_table([], path, header=("case", "group", "dsc", "fold", "seen"))
    assert read_rows(path, COLUMNS) == []
    assert list(read_table(path, COLUMNS).columns) == ["case", "group", "dsc", "fold", "seen"]


text = st.text(st.characters(blacklist_categories=("Cs", "Cc"), blacklist_characters="\ufeff"))


@given(st.lists(st.tuples(text.filter(str.strip), text), min_size=1))
def test_any_text_comes_back(tmp_path_factory, cells):
    path = tmp_path_factory.mktemp("any") / "table.tsv"
    rows = [{"case": case, "group": group} for case, group in cells]
    write_table(rows, path)
    assert read_rows(path, Columns(text=("case", "group"))) == rows


def test_other_columns_hold_what_the_rest_does(path):
    write_table([{"case": "a", "LV": 3, "MYO": 4}], path)
    whole = Columns(text=("case",), rest="whole")
    assert read_rows(path, whole) == [{"case": "a", "LV": 3, "MYO": 4}]
    assert "unknown column 'LV'; remove it" in refusal(read_rows, path, Columns(text=("case",)))


def test_a_column_that_may_be_absent_may_be_absent(path):
    write_table([{"case": "a"}], path)
    assert read_rows(path, Columns(text=("case", "group"), optional=("group",))) == [{"case": "a"}]


HEADER = "case\tgroup\tdsc\tfold\tseen\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty; it should hold a header and rows, separated by tabs"),
        (b"case\tgroup\n", "column dsc, fold, seen is missing; it has case, group"),
        (b"case\tgroup\tcase\n", "column 'case' comes twice; remove one"),
        ((HEADER + "a\tb\n").encode(), "line 2 has 2 cells, the header 5; separate the cells"),
        ((HEADER + "a\tb\t1\t2\tTrue\tx\n").encode(), "line 2 has 6 cells, the header 5"),
        ((HEADER + "\na\tb\tx\t2\tTrue\n").encode(), "line 3 has 'x' in column dsc, which holds"),
        ((HEADER + "a\tb\t1_0\t2\tTrue\n").encode(), "line 2 has '1_0' in column dsc, which holds"),
        ((HEADER + "a\tb\t1\t2.0\tTrue\n").encode(), "line 2 has '2.0' in column fold, which hol"),
        ((HEADER + "a\tb\t1\t2\tyes\n").encode(), "in column seen, which holds True or False"),
        (
            (HEADER + 'a\t"b\t1\t2\tTrue\nc\td\t1\t2\tTrue\n').encode(),
            "line 2 has a cell that goes on",
        ),
        ((HEADER + 'a\t"b\n"\t1\t2\tTrue\n').encode(), "goes on to line 3; remove its quotation"),
        (b"case\xff\n", "is not UTF-8 text (byte 5); save it as UTF-8"),
    ],
)
def test_a_table_that_cannot_be_used_is_one_line_that_says_where(tmp_path, content, message):
    path = tmp_path / "table.tsv"
    path.write_bytes(content)
    refused = refusal(read_rows, path, COLUMNS)
    assert refused.startswith(f"{path}: ")
    assert message in refused


def test_a_table_of_a_spreadsheet_is_read(tmp_path):
    path = tmp_path / "table.tsv"
    path.write_bytes(("\ufeff" + HEADER + "a\tb\t1\t2\tTrue\n").replace("\n", "\r\n").encode())
    assert read_rows(path, COLUMNS)[0]["case"] == "a"


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    assert refusal(read_text, tmp_path / "no") == f"{tmp_path}/no: no such file"
    assert refusal(read_text, tmp_path) == f"{tmp_path}: is not a regular file"


def test_while_a_file_is_written_the_old_one_is_there(path):
    write_table([{"a": "old"}], path)
    with whole_file(path) as file:
        file.write(b"half")
        file.flush()
        assert path.read_text() == "a\nold\n"
    assert path.read_text() == "half"
    assert files_in(path.parent) == ["table.tsv"]


def write_and_fail(path, error):
    with whole_path(path) as temporary:
        temporary.write_bytes(b"half")
        raise error


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ZeroDivisionError()])
def test_after_an_error_the_old_file_is_there_and_nothing_else(path, error):
    write_table([{"a": "old"}], path)
    with pytest.raises(type(error)):
        write_and_fail(path, error)
    assert path.read_text() == "a\nold\n"
    assert files_in(path.parent) == ["table.tsv"]


WRITER = """
import sys, time
from pathlib import Path
from dicegrad.whole import whole_path

with whole_path(Path(sys.argv[1])) as temporary:
    temporary.write_bytes(b"half")
    print("half", flush=True)
    time.sleep(600)
"""


def test_what_a_kill_left_of_a_file_goes_with_its_next_writer_but_not_what_is_being_written(path):
    command = [sys.executable, "-c", WRITER, str(path)]
    writers = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(2)]
    for each in writers:
        assert each.stdout.readline() == b"half\n"
    writers[0].kill()
    writers[0].wait()
    write_table([{"a": "whole"}], path)
    try:
        [left] = [each for each in files_in(path.parent) if each != path.name]
        assert f"-{writers[1].pid}-" in left
    finally:
        writers[1].kill()
        writers[1].wait()
    write_table([{"a": "whole"}], path)
    assert files_in(path.parent) == [path.name]


def test_a_place_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="could not be written") as error:
        write_table([{"a": "b"}], tmp_path / "file" / "table.tsv")
    assert len(str(error.value).splitlines()) == 1


def test_a_missing_file_that_the_caller_reads_keeps_its_own_name(path, tmp_path):
    def copy():
        with whole_path(path) as temporary:
            temporary.write_bytes((tmp_path / "source").read_bytes())

    with pytest.raises(FileNotFoundError, match="source"):
        copy()


@pytest.mark.parametrize(
    ("content", "where"),
    [
        ("case\tgroup\nä\tED\n".encode("latin-1"), "byte 12"),
        ("case\tgroup\na\tED\n".encode("utf-16"), "byte 1"),
        ("case\tgroup\na\tED\n".encode("utf-16-le"), "byte 2 is 0"),
        (b"case\tgroup\na\xff\tED\n", "byte 13"),
    ],
    ids=["latin-1", "utf-16", "utf-16 without mark", "0xff"],
)
def test_text_in_another_encoding_is_named_with_the_byte(tmp_path, content, where):
    (path := tmp_path / "groups.tsv").write_bytes(content)
    line = refusal(read_cells, path)
    assert line == f"{path}: is not UTF-8 text ({where}); save it as UTF-8"


@pytest.mark.parametrize("read", [read_text, read_json, read_cells])
def test_pipes_and_devices_are_refused_without_waiting(tmp_path, read):
    os.mkfifo(pipe := tmp_path / "pipe")
    (device := tmp_path / "device").symlink_to("/dev/zero")
    for path in (pipe, device):
        assert refusal(read, path) == f"{path}: is not a regular file"


def test_a_file_too_large_for_what_it_is_said_to_be_is_not_read(tmp_path):
    with (path := tmp_path / "cases.tsv").open("wb") as file:
        file.truncate(1 << 40)  # a hole, which takes no room
    assert refusal(read_text, path).startswith(f"{path}: has {1 << 40} bytes; such a file has at")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ('{"labels": {"a": 1, "b": 2, "a": 3}}', "key 'a' comes twice; remove one"),
        ("[" * 100_000, "not valid JSON (nested too deeply); correct it"),
        ('{"a": }', "not valid JSON (Expecting value: line 1 column 7 (char 6)); correct it"),
        ("", "not valid JSON (Expecting value: line 1 column 1 (char 0)); correct it"),
    ],
    ids=["twice", "deep", "broken", "empty"],
)
def test_json_that_cannot_be_used_is_one_line(tmp_path, content, says):
    (path := tmp_path / "dataset.json").write_text(content)
    assert refusal(read_json, path) == f"{path}: {says}"


def test_the_delimiter_of_a_foreign_table_is_that_of_its_header(tmp_path):
    (path := tmp_path / "cases.csv").write_text("case;label\na,1;x\n")
    assert read_cells(path, delimiter=None) == (["case", "label"], [(2, ["a,1", "x"])])


def test_a_whole_number_that_no_array_holds_is_refused(tmp_path):
    (path := tmp_path / "volumes.tsv").write_text("fold\n9223372036854775808\n")
    line = refusal(read_rows, path, Columns(whole=("fold",)))
    assert "line 2 has '9223372036854775808' in column fold, which holds whole numbers" in line
