"""A process that has imported all modules and runs each command of the tests in a fork of itself.

A command needs several seconds of processor time to import torch, which is most of the duration of many tests. A fork
has its own process, directory, environment and output, like a command of a user; Python code that runs before the
command can set limits of the process, or send it signals at some places. Tests of the start of a command, of its peak
memory and of signals from other processes start a new interpreter instead.
"""

import atexit
import gc
import importlib
import json
import os
import pkgutil
import runpy
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

MESSAGE = 1 << 20
"""Maximum number of bytes of a request."""


class CommandServer:
    """The client of the process; the first command starts it, and it ends with this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def run(
        self,
        arguments: Sequence[str],
        folder: Path,
        environment: Mapping[str, str],
        timeout: float,
        preparation: str = "",
    ) -> subprocess.CompletedProcess[str]:
        """Run ``python -m spinlock`` with arguments to its end, after the Python code ``preparation``."""
        request = {
            "arguments": [*arguments],
            "folder": str(folder),
            "environment": dict(environment),
            "preparation": preparation,
        }
        pipes = [os.pipe() for _ in ("stdout", "stderr", "exit code")]
        try:
            with self._lock:
                server = self._connected()
                writers = [writer for _, writer in pipes]
                socket.send_fds(server, [json.dumps(request).encode() + b"\n"], writers)
                for writer in writers:
                    os.close(writer)
                assert server.recv(1) == b"."  # the request was received as one message
            out, err, status = collected([reader for reader, _ in pipes], timeout)
        finally:
            for reader, _ in pipes:
                os.close(reader)
        texts = (text.decode().replace("\r\n", "\n") for text in (out, err))
        return subprocess.CompletedProcess([*arguments], int(status), *texts)

    def _connected(self) -> socket.socket:
        """The connection to the process."""
        if self._socket is None:
            self._socket, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
            command = [sys.executable, __file__, str(other.fileno())]
            environment = os.environ | {"OMP_NUM_THREADS": "1"}
            self._process = subprocess.Popen(
                command, env=environment, stdin=subprocess.DEVNULL, pass_fds=[other.fileno()]
            )
            other.close()
            atexit.register(self._close)
        return self._socket

    def _close(self) -> None:
        """End the process."""
        if self._socket is not None and self._process is not None:
            self._socket.close()
            self._process.wait()


def collected(readers: Sequence[int], timeout: float) -> list[bytes]:
    """Everything that is written into pipes until the end of the last one, which is the end of the command."""
    end, last = time.monotonic() + timeout, readers[-1]
    texts, opened = dict.fromkeys(readers, b""), set(readers)
    while last in opened:
        ready = select.select(opened, [], [], max(0.0, end - time.monotonic()))[0]
        if not ready:
            raise subprocess.TimeoutExpired("spinlock", timeout)
        if ready == [last]:  # what was written before the end is now visible in the other pipes
            ready = select.select(opened, [], [], 0)[0]
        for reader in [reader for reader in ready if reader != last] or [last]:
            data = os.read(reader, 1 << 16)
            texts[reader] += data
            if not data:
                opened.discard(reader)
    return list(texts.values())


def serve(connection: socket.socket) -> None:
    """Run each requested command in a process of its own, until the client ends."""
    import spinlock

    for module in pkgutil.walk_packages(spinlock.__path__, "spinlock."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    os.fsync = lambda descriptor: None  # a command is killed at most, and files in memory survive that
    gc.collect()
    gc.freeze()  # the collector of a fork would copy the memory of all modules
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the monitors are not waited for
    while True:
        message, files, _, _ = socket.recv_fds(connection, MESSAGE, 3)
        if not message:
            return
        while not message.endswith(b"\n"):
            message += connection.recv(MESSAGE)
        if os.fork() == 0:
            connection.close()
            monitor(json.loads(message), *files)
            return
        for file in files:
            os.close(file)
        connection.sendall(b".")


def monitor(request: dict[str, Any], out: int, err: int, status: int) -> None:
    """Start the command, wait for its end, and write its exit code; returns at the end of the command itself."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    child = os.fork()
    if child == 0:
        os.close(status)
        os.dup2(out, 1)
        os.dup2(err, 2)
        os.closerange(3, max(out, err) + 1)
        for name, number in (("stdout", 1), ("stderr", 2)):  # a stream remembers whether its file can be sought
            older = getattr(sys, name)
            setattr(sys, name, os.fdopen(number, "w", 1, older.encoding, older.errors))
        os.chdir(request["folder"])
        os.environ.clear()
        os.environ.update(request["environment"])
        sys.argv = ["spinlock", *request["arguments"]]
        code: object = 0
        try:
            exec(request["preparation"], {})
            runpy.run_module("spinlock", run_name="__main__", alter_sys=True)
        except SystemExit as ending:
            code = ending.code
        finish(code)
    else:
        os.write(status, str(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])).encode())
        os._exit(0)


def finish(code: object) -> None:
    """End the process without the destruction of all modules, which takes seconds in a fork."""
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else 0 if code is None else 1)


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
