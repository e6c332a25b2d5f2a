"""Read HDF5 files in a separate process, so that a crash of the library does not end a watch.

As a program (`python -m xrdae.live.isolated_reading`) it is that process: paths in, scans out.
"""

from __future__ import annotations

import faulthandler
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import IO

from xrdae.errors import FormatError, XrdaeError
from xrdae.loading.gridding import read_scans
from xrdae.readers.read_options import NOTHING_STATED, ReadOptions
from xrdae.readers.scan import Scan
from xrdae.storage.netcdf_structure import HDF5

MOST_SECONDS = 60  # for a file; one that takes longer counts as damaged


class IsolatedReader:
    """Reads files; HDF5 in a child process, which is begun when the first one comes.

    The HDF5 library is made for files that it wrote: damaged ones can crash it, or send it in a
    circle that no exception ends.
    """

    def __init__(self, options: ReadOptions = NOTHING_STATED) -> None:
        self._options = options
        self._child: subprocess.Popen[bytes] | None = None

    def read(self, path: Path) -> list[Scan]:
        """Return the scans of a file, with increasing positions.

        Raises
        ------
        FormatError, OSError
            If it cannot be read, or reading it crashes or takes more than a minute.
        """
        with path.open("rb") as stream:
            if stream.read(len(HDF5)) != HDF5:
                return read_scans(path, self._options)
        if self._child is None:
            command = [sys.executable, "-m", "xrdae.live.isolated_reading"]
            self._child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._child.stdin is not None  # as asked for
        assert self._child.stdout is not None
        try:
            _send((str(path), self._options), self._child.stdin)
            answer: list[Scan] | XrdaeError | OSError = pickle.load(self._child.stdout)
        except (EOFError, BrokenPipeError, pickle.UnpicklingError) as error:
            self.close()
            raise FormatError(
                f"{path}: reading it crashed the HDF5 library or took more than {MOST_SECONDS} s; "
                "it is damaged"
            ) from error
        if isinstance(answer, Exception):
            raise answer
        return answer

    def close(self) -> None:
        """End the child process."""
        if self._child is not None:
            self._child.kill()
            self._child.communicate()
            self._child = None


def serve() -> None:
    """Be the child, until there is nothing more to read."""
    paths, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what libraries print is no answer
    while True:
        try:
            name, options = pickle.load(paths)
            path = Path(name)
        except EOFError:
            return
        # Ends this process without a traceback, even if the library is busy.
        with open(os.devnull, "w") as nowhere:
            faulthandler.dump_traceback_later(MOST_SECONDS, exit=True, file=nowhere)
            try:
                answer: list[Scan] | XrdaeError | OSError = read_scans(path, options)
            except (XrdaeError, OSError) as error:
                answer = error
            except MemoryError:
                answer = FormatError(f"{path}: it needs more memory than there is")
            faulthandler.cancel_dump_traceback_later()
        _send(answer, answers)


def _send(value: object, to: IO[bytes]) -> None:
    pickle.dump(value, to)
    to.flush()


if __name__ == "__main__":
    serve()
