"""Where answers are written: a failure of that is no fault of ours, and can be told from every other."""

import io
import sys
from typing import TYPE_CHECKING, TextIO

from understudy.errors import OutputFailed

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


class _Answers(io.FileIO):
    """Where `former` writes. A reader that went away stays a BrokenPipeError: that is not told to anybody."""

    def __init__(self, former: TextIO) -> None:
        super().__init__(former.fileno(), "w", closefd=False)
        self._former = former  # which would close the descriptor with its own end

    def write(self, data: "ReadableBuffer", /) -> int:
        try:
            return super().write(data)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise OutputFailed(
                f"the answer cannot be written to where it should go: {error.strerror}",
                hint="what the command had to do may be done: only its answer is lost. Look at the file that its output goes to",
            ) from None


def set_up() -> None:
    """What a terminal cannot show must not make a command fail that has done its work; stderr does the same by itself."""
    if sys.stdout is None:
        # It was closed: whoever did that wants no answer.
        sys.stdout = io.StringIO()
        return
    if not isinstance(sys.stdout, io.TextIOWrapper):
        return
    was = sys.stdout
    sys.stdout = io.TextIOWrapper(
        io.BufferedWriter(_Answers(was)),
        encoding=was.encoding,
        errors="backslashreplace",
        line_buffering=was.line_buffering,
        write_through=was.write_through,
    )
