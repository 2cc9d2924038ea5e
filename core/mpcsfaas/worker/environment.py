"""The environment variables that tasks see: those that programs need, and none that could hold a secret."""

import os
from collections.abc import Iterable, Mapping

PASSED = frozenset(
    {
        "PATH",
        "HOME",
        "USER",
        "LOGNAME",
        "SHELL",
        "LANG",
        "LANGUAGE",
        "TZ",
        "PYTHONPATH",
        "PYTHONHASHSEED",
        "VIRTUAL_ENV",
        "CONDA_PREFIX",
        "LD_LIBRARY_PATH",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "MKL_NUM_THREADS",
        "CUDA_VISIBLE_DEVICES",
    }
)
PASSED_PREFIX = "LC_"


def child_environment(environment: Mapping[str, str], more: Iterable[str]) -> dict[str, str]:
    """What children get of the pool's `environment`: a fixed list of variables, and those named in `more`."""
    names = PASSED.union(more)
    passed = {name: value for name, value in environment.items() if name in names or name.startswith(PASSED_PREFIX)}
    if "PYTHONPATH" in passed:  # children live in another folder
        passed["PYTHONPATH"] = os.pathsep.join(map(os.path.abspath, passed["PYTHONPATH"].split(os.pathsep)))
    return passed
