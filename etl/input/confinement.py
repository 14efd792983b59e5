"""Confine a process to one data set: no network, no other files, limited memory and time.

On Linux Landlock (https://docs.kernel.org/userspace-api/landlock.html) restricts files and seccomp
(through libseccomp) system calls. Elsewhere only the POSIX limits apply.
"""

import ctypes
import os
import resource
import struct
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

BASE_MEMORY_BYTES = 2 * 2**30
MEMORY_PER_BYTE = 40
"""Memory for each byte of a data set: the texts of a workbook unpack to some 30 times its size."""
BASE_CPU_S = 300
CPU_PER_MB_S = 10
MAX_OPEN_FILES = 512
SCRATCH_BYTES = 64 * 2**30

_REFUSED_CALLS = (
    *("socket", "socketpair", "connect", "bind", "listen", "accept", "accept4"),
    *("execve", "execveat", "fork", "vfork", "kill", "ptrace", "process_vm_readv"),
    *("process_vm_writev", "pidfd_open", "pidfd_getfd", "pidfd_send_signal"),
    *("io_uring_setup", "bpf", "perf_event_open", "userfaultfd", "keyctl", "add_key"),
    *("request_key", "mount", "umount2", "pivot_root", "chroot", "unshare", "setns"),
    *("init_module", "finit_module", "delete_module", "kexec_load", "reboot", "swapon"),
    *("chmod", "fchmod", "fchmodat", "fchmodat2", "chown", "fchown", "lchown", "fchownat"),
    *("setuid", "setgid", "setreuid", "setregid", "setresuid", "setresgid", "prlimit64"),
    *("mknod", "mknodat", "open_by_handle_at", "shmget", "shmat", "msgget", "semget"),
)
_ALLOW = 0x7FFF0000  # SCMP_ACT_ALLOW
_FAIL_WITH_EPERM, _FAIL_WITH_ENOSYS = 0x00050001, 0x00050026  # SCMP_ACT_ERRNO(...)
_CLONE_THREAD, _MASKED_EQUAL = 0x00010000, 7  # flag of clone(2), SCMP_CMP_MASKED_EQ

_NO_NEW_PRIVILEGES = 38  # PR_SET_NO_NEW_PRIVS
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same on every architecture
_RIGHTS_BY_ABI = {1: 13, 2: 14, 3: 15, 4: 15}
_ALL_RIGHTS = 16
_WRITE_FILE, _READ_FILE, _READ_DIR, _TRUNCATE = 1 << 1, 1 << 2, 1 << 3, 1 << 14
_MAKE_DIR, _MAKE_FILE, _REMOVE_FILE, _REMOVE_DIR = 1 << 7, 1 << 8, 1 << 5, 1 << 4
_READ = _READ_FILE | _READ_DIR
_WRITE = _READ | _WRITE_FILE | _TRUNCATE | _MAKE_DIR | _MAKE_FILE | _REMOVE_FILE | _REMOVE_DIR
_ON_FILES = _READ_FILE | _WRITE_FILE | _TRUNCATE
_ALL_TCP, _ALL_SCOPES = 3, 3

_libc = ctypes.CDLL(None)


class _Comparison(ctypes.Structure):
    """Condition on an argument of a system call (``struct scmp_arg_cmp``)."""

    _fields_: ClassVar = [
        *(("argument", ctypes.c_uint), ("operator", ctypes.c_int)),
        *(("mask", ctypes.c_uint64), ("value", ctypes.c_uint64)),
    ]


def _load_seccomp() -> ctypes.CDLL | None:
    try:
        library = ctypes.CDLL("libseccomp.so.2")
    except OSError:
        return None
    library.seccomp_init.restype = ctypes.c_void_p
    library.seccomp_rule_add_array.argtypes = [
        *(ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int, ctypes.c_uint, ctypes.c_void_p)
    ]
    library.seccomp_load.argtypes = library.seccomp_release.argtypes = [ctypes.c_void_p]
    return library


_seccomp = _load_seccomp()


def confine(size_bytes: int, readable: Iterable[Path], writable: Iterable[Path]) -> None:
    """Confine this process irrevocably, as far as the platform can.

    Parameters
    ----------
    size_bytes
        Size of the data set, to which the limits of memory and time are proportional.
    readable, writable
        Files and folders that may be used; Python and its libraries may always be read.
    """
    _limit(resource.RLIMIT_DATA, BASE_MEMORY_BYTES + MEMORY_PER_BYTE * size_bytes)
    _limit(resource.RLIMIT_CPU, BASE_CPU_S + CPU_PER_MB_S * size_bytes // 2**20)
    _limit(resource.RLIMIT_FSIZE, SCRATCH_BYTES)
    _limit(resource.RLIMIT_NOFILE, MAX_OPEN_FILES)
    _limit(resource.RLIMIT_CORE, 0)
    if sys.platform != "linux":
        return
    _libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    rights = dict.fromkeys([*_runtime_files(), *readable], _READ) | dict.fromkeys(writable, _WRITE)
    _restrict_files(rights)
    _restrict_calls()


def _limit(kind: int, value: int) -> None:
    _, hard = resource.getrlimit(kind)
    limit = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(kind, (limit, limit))


def _runtime_files() -> list[Path]:
    """Return the files and folders that Python and its libraries load at run time."""
    packages = Path(__file__).parents[1], Path(__file__).parents[2] / "geo"
    installed = Path(sys.prefix), Path(sys.base_prefix), Path("/usr/lib"), Path("/usr/share")
    system = Path("/lib"), Path("/lib64"), Path("/etc/ld.so.cache"), Path("/etc/localtime")
    return [*packages, *installed, *system, Path("/dev/null"), Path("/dev/urandom")]


def _restrict_files(rights: Mapping[Path, int]) -> None:
    """Restrict access to files with Landlock; without it in the kernel, do nothing."""
    abi = _libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), 1)
    if abi < 1:
        return
    handled = (1 << _RIGHTS_BY_ABI.get(abi, _ALL_RIGHTS)) - 1
    words = [handled, *([_ALL_TCP] if abi >= 4 else []), *([_ALL_SCOPES] if abi >= 6 else [])]
    attributes = struct.pack(f"={len(words)}Q", *words)
    ruleset = _libc.syscall(_CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), 0)
    if ruleset < 0:
        return
    for path, path_rights in rights.items():
        with suppress(OSError):  # not every system has every folder
            _allow(ruleset, path, path_rights & handled)
    _libc.syscall(_RESTRICT_SELF, ruleset, 0)
    os.close(ruleset)


def _allow(ruleset: int, path: Path, rights: int) -> None:
    file = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        rule = struct.pack("=Qi", rights if path.is_dir() else rights & _ON_FILES, file)
        _libc.syscall(_ADD_RULE, ruleset, 1, rule, 0)
    finally:
        os.close(file)


def _restrict_calls() -> None:
    """Refuse network, programs and other processes with seccomp, if libseccomp is installed."""
    if _seccomp is None:
        return
    context = _seccomp.seccomp_init(ctypes.c_uint32(_ALLOW))
    for name in _REFUSED_CALLS:
        number = _seccomp.seccomp_syscall_resolve_name(name.encode())
        _seccomp.seccomp_rule_add_array(context, _FAIL_WITH_EPERM, number, 0, None)
    # Allow threads but no processes. seccomp can't see the flags of clone3; where that is missing,
    # the C library calls clone, whose flags it can see.
    number = _seccomp.seccomp_syscall_resolve_name(b"clone3")
    _seccomp.seccomp_rule_add_array(context, _FAIL_WITH_ENOSYS, number, 0, None)
    number = _seccomp.seccomp_syscall_resolve_name(b"clone")
    no_thread = _Comparison(0, _MASKED_EQUAL, _CLONE_THREAD, 0)
    _seccomp.seccomp_rule_add_array(context, _FAIL_WITH_EPERM, number, 1, ctypes.byref(no_thread))
    _seccomp.seccomp_load(context)
    _seccomp.seccomp_release(context)
