"""A process that ends when the worker that started it does, however that ended."""

import ctypes
import os
import signal

_PR_SET_PDEATHSIG = 1
"""See prctl(2): the kernel sends the signal, whatever the process is busy with."""


def hold(parent: int) -> None:
    """End this process at once when its parent ends.

    The kernel goes by the thread that started it: that has to live as long as the worker does.

    Parameters
    ----------
    parent
        Its number, as that told it: one that has ended already can't be waited for.
    """
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
