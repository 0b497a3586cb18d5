"""Keep the memory of large tensors in this process, where giving it back costs half of the training."""

import ctypes
import platform

# Of mallopt (3): from how many free bytes on they go back to the kernel, how many more are fetched at a time, and how many
# blocks may be mapped one by one, each to be given back when it is freed.
TRIM_THRESHOLD, TOP_PAD, MMAP_MAX = -1, -2, -4


def keep_freed():
    """Let the C library keep what it frees, for the next step; return whether it takes the order (glibc, on Linux).

    Otherwise glibc returns each large tensor to the kernel, which clears the pages before it hands them out again, in every
    step: two thirds of ResNet-20's training on a CPU, as one AMD EPYC had it. The process then never gets smaller than it was.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    return all([mallopt(MMAP_MAX, 0), mallopt(TRIM_THRESHOLD, 2**31 - 1), mallopt(TOP_PAD, 64 * 2**20)])
