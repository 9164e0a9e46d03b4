"""Names from outside end up in paths, tables and logs: what would be misread there is refused."""

import pytest

from dicegrad.data.names import look_alikes, name_problem


@pytest.mark.parametrize("name", ["patient001_ED", "Müller 3", "心臓", "a.b-c+d", "case (2)"])
def test_an_ordinary_name_in_any_script_is_left_alone(name):
    assert name_problem("case", name) is None


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("", "is empty"),
        (" a", "begins or ends with a space"),
        ("a\n", "begins or ends with a space"),
        (".hidden", "begins with '.'"),
        ("--all", "begins with '-'"),
        ("a/b", "has '/' in its name"),
        ("c{0}", "has '{' in its name"),
        ("a\u202eb", "the invisible character U+202E"),
        ("a\x1b[31m", "the invisible character U+001B"),
        ("e\u0301", "write it as 'é'"),
        ("é" * 76, "its name has 152 bytes; give it at most 150"),
    ],
)
def test_a_name_that_would_be_misread_is_refused_in_one_line(name, says):
    problem = name_problem("case", name)
    assert problem is not None
    assert len(problem.splitlines()) == 1
    assert problem.startswith("case ")
    assert says in problem


def test_the_message_itself_shows_no_invisible_character():
    assert "\x1b" not in name_problem("case", "a\x1b[31m")


def test_names_that_differ_in_case_alone_are_told_together():
    assert look_alikes("group", ["ED", "ES", "ED"]) == []
    (line,) = look_alikes("group", ["ED", "ed"])
    assert line.startswith("group 'ed': differs from 'ED'")


def test_a_class_and_a_channel_are_in_no_path_and_may_hold_a_slash():
    assert name_problem("class", "prostate/uterus") is None
    assert name_problem("channel", "T1/T2") is None
    assert "has '/' in its name" in name_problem("group", "a/b")
