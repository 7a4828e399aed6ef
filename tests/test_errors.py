"""Messages of errors: what, where, expected, remedy."""

import pytest

from spinlock.errors import ConfigError, DataError, located


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
