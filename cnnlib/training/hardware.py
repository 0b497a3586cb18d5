"""What this machine offers a training run."""

import contextlib
import dataclasses
import math
import os
import platform
import subprocess
from pathlib import Path


@dataclasses.dataclass(frozen=True)
class Hardware:
    """The parts that decide how fast a net trains.

    Attributes:
        cpu: the processor's name, as the system gives it.
        cores: logical cores that this process may use, or as many as its share of their time comes to.
        gpu: name of the first GPU that TensorFlow sees, or None.
        gpu_count: how many GPUs TensorFlow sees.
        cpu_bfloat16: the CPU multiplies bfloat16 in hardware (AMX or AVX-512 BF16).
        cpu_amx: it has a unit for products of whole matrices of them (AMX).
        compute_capability: (major, minor) of the first NVIDIA GPU, or None.

    """

    cpu: str
    cores: int
    gpu: str | None = None
    gpu_count: int = 0
    cpu_bfloat16: bool = False
    cpu_amx: bool = False
    compute_capability: tuple | None = None

    def describe(self):
        """Return what a record keeps: {"cpu": str, "cores": int, "gpu": str or None, "gpu_count": int}."""
        return {"cpu": self.cpu, "cores": self.cores, "gpu": self.gpu, "gpu_count": self.gpu_count}


def detect():
    """Look at the machine; TensorFlow is asked for its GPUs."""
    import tensorflow as tf

    name, flags = _cpu()
    gpus = tf.config.list_physical_devices("GPU")
    details = tf.config.experimental.get_device_details(gpus[0]) if gpus else {}
    return Hardware(
        cpu=name,
        cores=_cores(),
        gpu=details.get("device_name", "GPU") if gpus else None,
        gpu_count=len(gpus),
        cpu_bfloat16=bool(flags & {"amx_bf16", "avx512_bf16"}),
        cpu_amx="amx_bf16" in flags,
        compute_capability=details.get("compute_capability"),
    )


def _cores(cgroup=Path("/sys/fs/cgroup")):
    # `taskset` and `docker --cpuset-cpus` give fewer cores than the machine has; macOS has no such call.
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, _quota(cgroup))


def _quota(cgroup):
    """Return how many cores' time a container may use (`docker --cpus`, Kubernetes), rounded up; infinity: no limit."""
    with contextlib.suppress(OSError, ValueError):  # no such files; "max" is no number
        if (cgroup / "cpu.max").exists():
            quota, period = map(int, (cgroup / "cpu.max").read_text().split())
        else:  # version 1 of cgroups, where -1 is no limit
            quota, period = (int((cgroup / "cpu" / f"cpu.cfs_{name}_us").read_text()) for name in ("quota", "period"))
        if quota > 0 < period:
            return math.ceil(quota / period)
    return math.inf


def _cpu(cpuinfo=Path("/proc/cpuinfo")):
    """Return (name, set of feature flags); the flags are known on Linux for x86 only."""
    name, flags = "", set()
    if cpuinfo.exists():
        for line in cpuinfo.read_text(errors="replace").splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name" and not name:
                name = value.strip()
            if key.strip() == "flags":
                flags = set(value.split())
                break
    elif platform.system() == "Darwin":
        asked = subprocess.run(
            ["sysctl", "-n", "machdep.cpu.brand_string"], capture_output=True, text=True, check=False
        )
        name = asked.stdout.strip()
    return name or platform.processor() or platform.machine() or "unknown CPU", flags
