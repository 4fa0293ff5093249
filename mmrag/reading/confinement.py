"""What a process gives up before it looks at untrusted bytes. What a system lacks is left out and told.

Called once, while the process has a single thread: threads inherit what is given up, others do not get it.
Sources: prctl(2), unshare(2), landlock(7), seccomp(2), and the kernel's tables of system calls.
"""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import signal
import struct
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

NAMESPACE = "a network of its own without devices"
FILES = "files: reads programs only, writes none"
CALLS = "system calls: no sockets, no programs, no other processes"
LIMITS = "limits on memory, processor time and open files; no core files"
PARENT = "ends with its parent"
MEASURES = (LIMITS, PARENT, NAMESPACE, FILES, CALLS)

_OPEN_FILES = 256
_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_PR_SET_PDEATHSIG, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 1, 22, 38

_libc = ctypes.CDLL(None, use_errno=True)


def confine(*, memory_bytes: int, parent: int) -> tuple[str, ...]:
    """Give up what reading does not need; returns those of `MEASURES` that are in force.

    Ends the process where its parent has ended already.
    """
    steps: tuple[tuple[str, Callable[[], None]], ...] = (
        (NAMESPACE, _leave_network),
        (PARENT, lambda: _end_with(parent)),  # after it: a change of credentials would undo this
        (LIMITS, lambda: _set_limits(memory_bytes)),
        (FILES, _restrict_files),
        (CALLS, _restrict_calls),
    )
    in_force = set()
    for measure, step in steps:
        try:
            step()
        except (OSError, AttributeError, ValueError):  # not on this system, or not allowed in its container
            continue
        in_force.add(measure)
    return tuple(measure for measure in MEASURES if measure in in_force)


def limit_processor_time(seconds: float) -> None:
    """From now on the process may use so much more; beyond it is ended by SIGXCPU."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    soft = int(usage.ru_utime + usage.ru_stime + seconds) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (soft, hard))


def give_back_memory() -> None:
    """Return freed memory to the system, so that one document does not count against the next."""
    if hasattr(_libc, "malloc_trim"):
        _libc.malloc_trim(0)


def _leave_network() -> None:
    _check(_libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET))


def _end_with(parent: int) -> None:
    _check(_libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0))
    if os.getppid() != parent:
        os._exit(1)


def _set_limits(memory_bytes: int) -> None:
    for limit, most in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NOFILE, _OPEN_FILES),
        (resource.RLIMIT_DATA, memory_bytes),
    ):
        _, hard = resource.getrlimit(limit)
        bound = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(limit, (bound, bound))


def _check(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


# ------------------------------------------------------------------- Landlock

_LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT = 444, 445, 446  # on every architecture
_CREATE_VERSION = 1
_RULE_PATH = 1
_READ_FILE, _READ_DIR = 1 << 2, 1 << 3
# Rights on files by the version of the interface that brought them; all are taken, two given back.
_FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 5: 16}  # version: number of the lowest bits
_NETWORK_RIGHTS = 0b11  # from version 4: bind and connect TCP
_SCOPES = 0b11  # from version 6: other processes' abstract sockets and signals
_NETWORK_VERSION, _SCOPE_VERSION = 4, 6
_SYSTEM = ("/usr", "/lib", "/lib64", "/sys/devices/system")
_SYSTEM_FILES = (
    *("/etc/ld.so.cache", "/etc/localtime", "/dev/null", "/dev/urandom"),
    *("/proc/cpuinfo", "/proc/meminfo", "/proc/stat"),
)


def _restrict_files() -> None:
    """Leave what Python and its libraries are read from: no data folder, no home, no other process."""
    version = _check(_libc.syscall(_LANDLOCK_CREATE, None, 0, _CREATE_VERSION))
    bits = max(count for since, count in _FILE_RIGHTS.items() if since <= version)
    words = [(1 << bits) - 1]
    if version >= _NETWORK_VERSION:
        words.append(_NETWORK_RIGHTS)
    if version >= _SCOPE_VERSION:
        words.append(_SCOPES)
    ruleset = struct.pack(f"{len(words)}Q", *words)
    rules = _check(_libc.syscall(_LANDLOCK_CREATE, ruleset, len(ruleset), 0))
    try:
        package = Path(__file__).resolve().parent.parent
        _allow(rules, [package.parent], _READ_DIR)  # to find the package by its name
        _allow(rules, [package, *_programs(), *_SYSTEM, "/proc/self"], _READ_FILE | _READ_DIR)
        _allow(rules, _SYSTEM_FILES, _READ_FILE)
        _forbid_new_privileges()
        _check(_libc.syscall(_LANDLOCK_RESTRICT, rules, 0))
    finally:
        os.close(rules)


def _programs() -> set[str]:
    return {sys.prefix, sys.base_prefix, *(path for path in sys.path if path.endswith("-packages"))} - {"/"}


def _allow(rules: int, paths: Iterable[str | Path], rights: int) -> None:
    for path in paths:
        try:
            place = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        try:
            rule = struct.pack("=Qi", rights, place)
            _check(_libc.syscall(_LANDLOCK_ADD, rules, _RULE_PATH, rule, 0))
        finally:
            os.close(place)


def _forbid_new_privileges() -> None:
    _check(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))


# -------------------------------------------------------------------- seccomp

# Numbers of x86-64 and arm64; None where an architecture has no such call.
_FORBIDDEN: tuple[tuple[int | None, int | None], ...] = (
    *(
        (41, 198),
        (42, 203),
        (49, 200),
        (50, 201),
        (43, 202),
        (288, 242),
    ),  # socket connect bind listen accept(4)
    *((57, None), (58, None), (59, 221), (322, 281)),  # fork vfork execve execveat
    *((101, 117), (310, 270), (311, 271)),  # ptrace process_vm_readv process_vm_writev
    *((200, 130), (129, 138), (297, 240), (424, 424), (434, 434), (438, 438)),  # signals to others, pidfd
    *((165, 40), (166, 39), (155, 41), (161, 51), (308, 268), (272, 97)),  # mounts, chroot, namespaces
    *(
        (321, 280),
        (298, 241),
        (250, 219),
        (248, 217),
        (249, 218),
        (425, 425),
        (323, 282),
    ),  # bpf perf keys uring
    *((304, 265), (437, 437), (175, 105), (313, 273), (246, 104)),  # other ways to open, modules, kexec
    *((87, None), (263, 35), (82, None), (264, 38), (316, 276)),  # unlink(at) rename(at, at2)
    *((83, None), (258, 34), (84, None), (86, None), (265, 37), (88, None), (266, 36)),  # mkdir rmdir links
    *(
        (85, None),
        (76, 45),
        (90, None),
        (268, 53),
        (92, None),
        (94, None),
        (260, 54),
    ),  # creat truncate chmod chown
    *((133, None), (259, 33)),  # mknod(at)
)
_OWN_PROCESS_ONLY = ((62, 129), (234, 131))  # kill tgkill: abort() signals its own process
_OWN_LIMITS_ONLY = (302, 261)  # prlimit64: 0 means oneself
_CLONE, _CLONE3 = (56, 220), (435, 435)
_OPEN, _OPENAT = (2, None), (257, 56)  # their flags are the second and third argument
_ARCHITECTURES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}  # column above, AUDIT_ARCH_...
_X32_CALLS = 0x40000000
_CLONE_THREAD = 0x10000
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC

# Classic BPF: the offsets of struct seccomp_data, and the few instructions that are needed.
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16
_LOAD, _JUMP_EQUAL, _JUMP_AT_LEAST, _JUMP_ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _KILL = 0x7FFF0000, 0x80000000
_REFUSE, _UNKNOWN_CALL = 0x00050000 | 1, 0x00050000 | 38  # SECCOMP_RET_ERRNO with EPERM, with ENOSYS
_MODE_FILTER = 2

Instruction = tuple[int, int, int, int]  # code, jump if true, jump if false, operand


def _restrict_calls() -> None:
    if platform.machine() not in _ARCHITECTURES:
        raise OSError(f"no table of system calls for {platform.machine()}")
    program = _filter(*_ARCHITECTURES[platform.machine()], process=os.getpid())
    code = b"".join(struct.pack("HBBI", *instruction) for instruction in program)
    buffer = ctypes.create_string_buffer(code, len(code))
    head = struct.pack("HxxxxxxQ", len(program), ctypes.addressof(buffer))  # struct sock_fprog, 64 bits
    _forbid_new_privileges()
    _check(_libc.prctl(_PR_SET_SECCOMP, _MODE_FILTER, head, 0, 0))


def _filter(column: int, architecture: int, *, process: int) -> list[Instruction]:
    """The program that the kernel runs at each call; what it does not name is allowed."""
    program: list[Instruction] = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_JUMP_EQUAL, 1, 0, architecture),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER),
        (_JUMP_AT_LEAST, 0, 1, _X32_CALLS),
        (_RETURN, 0, 0, _UNKNOWN_CALL),
    ]

    def rule(numbers: Sequence[int | None], body: list[Instruction]) -> None:
        number = numbers[column]
        if number is not None:  # a body ends in a return, so the next rule still has the number loaded
            program.extend([(_JUMP_EQUAL, 0, len(body), number), *body])

    def look_at(argument: int, jump: int, operand: int, *, then: int, otherwise: int) -> list[Instruction]:
        offset = _ARGUMENTS + 8 * argument  # the lower half: both architectures are little-endian
        return [
            (_LOAD, 0, 0, offset),
            (jump, 0, 1, operand),
            (_RETURN, 0, 0, then),
            (_RETURN, 0, 0, otherwise),
        ]

    for numbers in _FORBIDDEN:
        rule(numbers, [(_RETURN, 0, 0, _REFUSE)])
    rule(_CLONE3, [(_RETURN, 0, 0, _UNKNOWN_CALL)])  # its flags can't be seen; libc falls back to clone
    rule(_CLONE, look_at(0, _JUMP_ANY_BIT, _CLONE_THREAD, then=_ALLOW, otherwise=_REFUSE))
    for numbers in _OWN_PROCESS_ONLY:
        rule(numbers, look_at(0, _JUMP_EQUAL, process, then=_ALLOW, otherwise=_REFUSE))
    rule(_OWN_LIMITS_ONLY, look_at(0, _JUMP_EQUAL, 0, then=_ALLOW, otherwise=_REFUSE))
    rule(_OPEN, look_at(1, _JUMP_ANY_BIT, _WRITING, then=_REFUSE, otherwise=_ALLOW))
    rule(_OPENAT, look_at(2, _JUMP_ANY_BIT, _WRITING, then=_REFUSE, otherwise=_ALLOW))
    program.append((_RETURN, 0, 0, _ALLOW))
    return program
