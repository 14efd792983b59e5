"""End of a process together with its parent.

A worker that outlived a killed server would keep its jobs, connections and port.
"""

import ctypes
import os
import signal

_PR_SET_PDEATHSIG = 1
"""See prctl(2): the kernel sends the signal, whatever the process is busy with."""


def end_with_parent(parent: int) -> None:
    """Have the kernel kill this process as soon as its parent ends.

    The kernel watches the thread that started this process, so that thread must live as long as
    the parent does.

    Parameters
    ----------
    parent
        Process id of the parent, as the parent passed it: if another process is the parent by
        now, the real one has ended already, and this process exits at once.
    """
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
