"""Compiled kernels on disk: one cache for each user, never stale, and never in the way.

Numba keys its own cache on the source file of the function alone. A kernel here also contains code from other files
(the vector tile, helpers that were inlined), so the cache lives in a folder named after the sources of all kernels
together: a change in any of them starts a fresh folder. Within it each file holds one kernel for one signature and
kind of processor, is written whole or not at all, and carries its digest. So processes may start together, share a home
with machines of another kind, die while writing, or find a folder that cannot be written: the worst that happens is
that a kernel is compiled again.

The files are pickles, which can run anything, so they are read only where nobody but their reader and the administrator
can have written them. Others may read them: a container's build can fill the cache for the user of its service.
"""

import hashlib
import logging
import os
import pickle
import secrets
import shutil
import stat
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache, partial
from pathlib import Path
from typing import Any

import llvmlite
import numba
from numba.core import caching, compiler, serialize
from numba.core.runtime.nrt import rtsys
from numba.np.numpy_support import numpy_version

from scratchnet.kernels.libraries import OwnCopies

# What Numba reads from the environment, or finds installed, and compiles into the code.
_SETTINGS = (
    "BOUNDSCHECK", "DEBUGINFO_DEFAULT", "DEBUG_ARRAY_OPT_RUNTIME", "DEBUG_NRT", "ENABLE_PROFILING",
    "EXTEND_VARIABLE_LIFETIMES", "LLVM_REFPRUNE_FLAGS", "LLVM_REFPRUNE_PASS", "LOOP_VECTORIZE", "NRT_STATS", "OPT",
    "PARFOR_MAX_TUPLE_SIZE", "SLP_VECTORIZE", "USING_SVML",
)  # fmt: skip
_KEPT_SECONDS = 30 * 24 * 3600  # folders of other versions that were not used for so long are removed
_NOTICEABLE_SECONDS = 0.5  # compilation below this is not worth a note

_log = logging.getLogger("scratchnet")


@cache
def sources_stamp() -> str:
    """A hash of the kernels' sources, of the compiler's version and of its settings."""
    settings = {name: getattr(numba.config, name) for name in _SETTINGS}
    versions = (numba.__version__, llvmlite.__version__, numpy_version, sys.implementation.cache_tag)
    digest = hashlib.sha256(repr((versions, settings)).encode())
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:16]


@cache
def cache_folder() -> Path | None:
    """Where compiled kernels are kept; None where there is no such folder and none can be made, or not safely.

    `$SCRATCHNET_CACHE` if set, else `$XDG_CACHE_HOME/scratchnet`, else `~/.cache/scratchnet`.
    """
    chosen, caches = os.environ.get("SCRATCHNET_CACHE"), os.environ.get("XDG_CACHE_HOME")
    try:
        base = Path(chosen) if chosen else Path(caches or Path.home() / ".cache") / "scratchnet"
        folder = base.resolve() / f"kernels-{sources_stamp()}"
        made = not folder.is_dir()
        for place in reversed((folder, *folder.parents)):
            if not place.is_dir():
                place.mkdir(0o755, exist_ok=True)  # with an umask of 0 too
            doubt = _doubt(place, place == folder)
            if doubt:
                _log.warning("no compiled kernels are kept in %s: %s", folder.parent, doubt)
                return None
        if made:
            _remove_old_folders(folder.parent)
        if not os.access(folder, os.R_OK | os.X_OK):
            return None
    except (OSError, RuntimeError):  # a RuntimeError where there is no home
        return None
    with suppress(OSError):  # a folder that only others may write stays as it is
        os.utime(folder)  # in use
    return folder


def _doubt(place: Path, last: bool) -> str | None:
    """Why another user may have put files below a folder; None where none can.

    Args:
        place: the folder of the kernels or one above it.
        last: whether it is the folder of the kernels.
    """
    if not hasattr(os, "geteuid"):  # Windows
        return None
    status = place.stat()
    owners = {0, os.geteuid()}
    if not last:  # in a namespace of users, such as a container without rights, root is seen under another number
        owners.add(Path(place.anchor).stat().st_uid)
    if status.st_uid not in owners:
        return f"{place} belongs to another user; let $SCRATCHNET_CACHE name another folder"
    shared = status.st_mode & stat.S_IWOTH or (status.st_mode & stat.S_IWGRP and not _is_private(status.st_gid))
    # where this bit is set, as in /tmp, others may make entries beside ours, but not remove or rename ours
    if shared and (last or not status.st_mode & stat.S_ISVTX):
        return f"others may write to {place}; forbid it by `chmod go-w`, or let $SCRATCHNET_CACHE name another folder"
    return None


def _is_private(group: int) -> bool:
    """Whether a group is the user's own: many systems give each user one, and let it write to what the user makes."""
    import grp
    import pwd

    try:
        entry, user = grp.getgrgid(group), pwd.getpwuid(os.geteuid())
    except KeyError:
        return False
    return user.pw_uid != 0 and entry.gr_name == user.pw_name and set(entry.gr_mem) <= {user.pw_name}


def _remove_old_folders(base: Path) -> None:
    oldest = time.time() - _KEPT_SECONDS
    for folder in base.glob("kernels-" + "[0-9a-f]" * 16):
        if folder.stat().st_mtime < oldest:
            shutil.rmtree(folder, ignore_errors=True)


@cache
def _other_source(name: str) -> str:
    """A hash of a file of kernels elsewhere, which the folder's name does not tell of; empty where there is no file."""
    path = Path(name)
    if path.parent == Path(__file__).parent or not path.is_file():
        return ""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _identity(function: Any) -> Any:
    """What tells a function from others of its name: its code, what its closure holds, and whose file it is from."""
    function = getattr(function, "py_func", None) or getattr(function, "_defn", None) or function
    code = getattr(function, "__code__", None)
    if code is None:
        return repr(function)
    return (
        function.__module__,
        function.__qualname__,
        code.co_firstlineno,
        hashlib.sha256(code.co_code + repr(code.co_names).encode()).hexdigest(),
        [repr(constant) for constant in code.co_consts if not hasattr(constant, "co_code")],
        [_identity(cell.cell_contents) for cell in function.__closure__ or ()],
        _other_source(code.co_filename),
    )


class _Note:
    """One line, once, when a user would wonder what the process is waiting for."""

    def __init__(self) -> None:
        self._seconds = 0.0
        self._since: float | None = None
        self._given = False

    def begins(self) -> None:
        """A kernel is about to be compiled; it may be part of one whose compilation has begun."""
        self.ends()
        self._since = time.perf_counter()
        if self._seconds >= _NOTICEABLE_SECONDS and not self._given:
            self._given = True
            folder = cache_folder()
            if folder and os.access(folder, os.W_OK):
                kept = f"first run only: they are kept in {folder}"
            else:
                kept = f"at every start: {f'{folder} cannot be written' if folder else 'no folder can keep them'}"
            _log.warning("compiling kernels, %s", kept)

    def ends(self) -> None:
        """A kernel has been compiled."""
        if self._since is not None:
            self._seconds += time.perf_counter() - self._since
        self._since = None


_note = _Note()


class KernelCache(caching._Cache):  # type: ignore[misc]  # numba has no type information
    """Loads and saves the compiled code of one kernel; what dispatchers of Numba expect as their cache."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._name = function.__qualname__.rpartition(".")[2]
        self._identity = _identity(function)
        self._enabled = True

    @property
    def cache_path(self) -> str | None:
        """The folder."""
        folder = cache_folder()
        return None if folder is None else str(folder)

    def enable(self) -> None:
        """Use the files, as is the default."""
        self._enabled = True

    def disable(self) -> None:
        """Leave the files alone."""
        self._enabled = False

    def flush(self) -> None:
        """Remove this kernel's files."""
        folder = cache_folder()
        for path in folder.glob(f"{self._name}-*.nbc") if folder else ():
            path.unlink(missing_ok=True)

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """The code for a signature, ready to run, or None."""
        # Numba would first fill its tables of everything that it can compile, which takes longer than all the loading;
        # machine code needs the runtime alone.
        rtsys.initialize(target_context)
        key = self._key(sig, target_context.codegen())
        path = self._path(key)
        loaded = None
        if path is not None:
            try:
                payload = _unsealed(_read(path), key)
                loaded = compiler.CompileResult._rebuild(target_context, *payload)
            except FileNotFoundError:
                pass
            except Exception as problem:  # whatever a damaged file can lead to
                _log.debug("cannot use %s: %r", path, problem)
        if loaded is None:
            target_context.refresh()
            target_context.codegen()._library_class = OwnCopies
            _note.begins()
        return loaded

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep the code for a signature, where that is possible."""
        _note.ends()
        key = self._key(sig, data.codegen)
        path = self._path(key)
        if path is None or data.library.has_dynamic_globals or any(not part.can_cache for part in data.lifted):
            return
        try:
            _write(path, _sealed(key, data._reduce()))
        except OSError as problem:  # read-only, full, or held open by another process
            _log.debug("cannot write %s: %r", path, problem)

    def _key(self, sig: Any, codegen: Any) -> str:
        return repr((self._identity, sig, codegen.magic_tuple()))

    def _path(self, key: str) -> Path | None:
        folder = cache_folder()
        if folder is None or not self._enabled:
            return None
        return folder / f"{self._name}-{hashlib.sha256(key.encode()).hexdigest()[:24]}.nbc"


def _sealed(key: str, payload: Any) -> bytes:
    body: bytes = serialize.dumps((key, payload))
    return hashlib.sha256(body).digest() + body


def _unsealed(content: bytes, key: str) -> Any:
    digest, body = content[:32], content[32:]
    if hashlib.sha256(body).digest() != digest:
        raise ValueError("the digest does not fit")
    stored, payload = pickle.loads(body)
    if stored != key:
        raise ValueError("the file belongs to another kernel")
    return payload


def _read(path: Path) -> bytes:
    """The content of a file, if it is not of the time when others could write to its folder."""
    with path.open("rb") as file:
        status = os.fstat(file.fileno())
        if hasattr(os, "geteuid") and status.st_uid not in (0, os.geteuid()):
            raise PermissionError(f"{path} belongs to another user")
        return file.read()


def _write(path: Path, content: bytes) -> None:
    """Write a file that no reader sees before it is whole, and that whoever the umask allows may read."""
    temporary = path.with_name(f"{secrets.token_hex(8)}.tmp")
    try:
        with open(temporary, "xb", opener=partial(os.open, mode=0o644)) as file:
            file.write(content)
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
