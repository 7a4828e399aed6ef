"""Messages of errors: what, where, expected, remedy."""

import pytest

from spinlock.errors import MAX_PART_LENGTH, ConfigError, DataError, located, printable, shortened


def test_a_message_has_its_parts_in_one_line() -> None:
    error = DataError("shape (3,)", where="a.h5", expected="[N, D]", remedy="choose another file")
    assert str(error) == "a.h5: shape (3,); expected [N, D]; choose another file"
    assert str(DataError("no rows")) == "no rows"


def test_a_configuration_error_lists_its_problems() -> None:
    assert str(ConfigError(["epochs is 0"], where="a.yaml")) == "a.yaml: epochs is 0"
    assert str(ConfigError(["one", "two"], where="a.yaml")) == "a.yaml: 2 problems\n  one\n  two"


def test_located_adds_a_file_only_to_data_errors_without_one() -> None:
    with pytest.raises(DataError, match=r"^a\.h5: no rows; expected some$"), located("a.h5"):
        raise DataError("no rows", expected="some")
    with pytest.raises(DataError, match=r"^b\.h5: no rows$"), located("a.h5"):
        raise DataError("no rows", where="b.h5")
    with pytest.raises(KeyError), located("a.h5"):
        raise KeyError("x")


def test_control_characters_and_line_breaks_are_escaped() -> None:
    assert str(DataError("no column a\nerror: b", where="\x1b[31m.h5")) == r"\x1b[31m.h5: no column a\nerror: b"
    assert str(ConfigError(["a\nb", "\x9b"], where="c")) == "c: 2 problems\n  a\\nb\n  \\x9b"
    assert printable("größe 漢字") == "größe 漢字"
    assert printable("\udcff\u202e\t") == r"\udcff\u202e\t"


def test_a_part_of_a_message_has_a_maximum_length() -> None:
    message = str(DataError("x" * 5_000_000, where="y" * 5_000_000))
    assert len(message) == 2 * MAX_PART_LENGTH + len(": ")
    assert message.startswith("yyy")
    assert message.endswith("xxx ...")


def test_a_long_text_is_shortened() -> None:
    assert shortened("x" * 60) == "x" * 60
    assert shortened("x" * 61) == "x" * 56 + " ..."


def test_a_configuration_error_counts_the_problems_that_it_does_not_list() -> None:
    message = str(ConfigError([f"key {number}" for number in range(1030)], where="a.yaml"))
    assert message.count("\n") == 21
    assert message.endswith("\n  key 19\n  and 1,010 more")
