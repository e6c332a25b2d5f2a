"""Disks with little room and read-only folders, for the programs and tests of faults.

They are file systems of one process. Linux allows root to mount them, and every user if user
namespaces are enabled. Otherwise a limit on the size of files and the permissions of a folder
replace them.
"""

from __future__ import annotations

import ctypes
import os
import resource
from pathlib import Path

from harness import Failed

SIZE = 64 << 20  # bytes of the small disk


def mount(path: Path, size: int) -> bool:
    """Mount an empty file system on a folder for this process; return whether it succeeded."""
    libc = ctypes.CDLL(None, use_errno=True)
    new_mounts, new_users, private = 0x00020000, 0x10000000, 0x44000
    if libc.unshare(new_mounts if os.getuid() == 0 else new_mounts | new_users) != 0:
        return False
    if libc.mount(None, b"/", None, private, None) != 0:
        return False
    return libc.mount(b"tmpfs", os.fsencode(path), b"tmpfs", 0, b"size=%d" % size) == 0


def make_read_only(path: Path) -> None:
    """Make a folder read-only, whether `mount` mounted it or not."""
    remount_read_only = 0x20 | 0x1
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"tmpfs", os.fsencode(path), b"tmpfs", remount_read_only, None) != 0:
        path.chmod(0o500)
        if os.access(path, os.W_OK):
            raise Failed(
                "crashes",
                "this user can write to read-only folders and cannot mount any; try another user",
            )


class Disk:
    """Folder with limited room."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._mounted = mount(path, SIZE)

    def fill(self, room: int) -> None:
        """Fill the disk up to a free room [B]."""
        if not self._mounted:
            resource.setrlimit(resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))
            return
        ballast = self.path / "ballast"
        ballast.unlink(missing_ok=True)
        state = os.statvfs(self.path)
        free = state.f_bavail * state.f_frsize
        with ballast.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, max(1, free - room))

    def free(self) -> None:
        """Free the room."""
        if not self._mounted:
            unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
            resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
        (self.path / "ballast").unlink(missing_ok=True)

    def read_files(self) -> dict[str, bytes]:
        """Return the content of all files except the ballast."""
        files = [p for p in self.path.rglob("*") if p.is_file() and p.name != "ballast"]
        return {str(p.relative_to(self.path)): p.read_bytes() for p in files}
