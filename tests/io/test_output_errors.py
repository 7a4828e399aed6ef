"""Messages for system errors on writing."""

import errno
import os

from spinlock.io.output_errors import output_error


def test_known_system_errors_have_a_message_and_a_remedy() -> None:
    error = output_error(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), "out")
    message = "out: cannot be written: no space is left on the device; free some space, or choose another output"
    assert str(error) == message


def test_other_errors_keep_the_first_line_of_their_message() -> None:
    assert str(output_error(RuntimeError("one\ntwo"), "out")) == "out: cannot be written: one"
    assert str(output_error(RuntimeError(), "out")) == "out: cannot be written: RuntimeError"


def test_unknown_system_errors_keep_their_message() -> None:
    error = output_error(OSError(errno.ESTALE, "Stale file handle"), "out")
    assert str(error) == "out: cannot be written: Stale file handle"
