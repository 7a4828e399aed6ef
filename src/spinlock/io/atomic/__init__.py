"""Atomic writing: files are written beside their target, synced, and then renamed to the target.

After a failure or an interruption the temporary files, and the directories that were created for them, are removed, and
the target is unchanged. A killed process leaves a temporary file and a lock that nobody holds; the next process that
writes there removes them. On a file system without locks the file remains.

If the target is a symbolic link, the link remains and the file to which it points is replaced.
"""

from spinlock.io.atomic.directories import DirectoryLock, check_unlocked
from spinlock.io.atomic.writing import check_writable, replacing, write_files

__all__ = ["DirectoryLock", "check_unlocked", "check_writable", "replacing", "write_files"]
