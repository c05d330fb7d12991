"""As much of CUDA's runtime as moving arrays needs, through ctypes: every machine with TensorRT has that library."""

from __future__ import annotations

import ctypes
import ctypes.util
from typing import Optional

from ..failures import NoVerdict, Verdict
from ..specs import Array

_LIBRARIES = (
    "libcudart.so",
    "libcudart.so.13",
    "libcudart.so.12",
    "libcudart.so.11.0",
    "/usr/local/cuda/lib64/libcudart.so",
)
_TO_DEVICE, _TO_HOST = 1, 2
_SPIN, _BLOCK = 1, 4  # cudaDeviceScheduleSpin, cudaDeviceScheduleBlockingSync
_NO_DEVICE = (35, 100)  # the driver is too old for this library; there is no GPU


class Cuda:
    """One stream on the first GPU. `spinning`: the thread that waits for the GPU spins instead of sleeping."""

    def __init__(self, spinning: bool) -> None:
        self._library = _load_library()
        code = self._library.cudaSetDeviceFlags(ctypes.c_uint(_SPIN if spinning else _BLOCK))
        if code in _NO_DEVICE:
            raise Verdict("provider_unavailable", "CUDA finds no GPU that it can use (error {})".format(code))
        check("cudaSetDeviceFlags", code)
        stream = ctypes.c_void_p()
        check("cudaStreamCreate", self._library.cudaStreamCreate(ctypes.byref(stream)))
        self._stream = stream
        self.stream = stream.value or 0

    def allocate(self, size: int) -> Optional[int]:
        """Return the address of `size` bytes on the GPU; they are freed with the process."""
        place = ctypes.c_void_p()
        code = self._library.cudaMalloc(ctypes.byref(place), ctypes.c_size_t(max(1, size)))
        if code == 2:
            raise Verdict("out_of_memory", "the GPU has no {} bytes left".format(size))
        check("cudaMalloc", code)
        return place.value

    def copy_in(self, place: Optional[int], array: Array) -> None:
        """Begin to copy a contiguous array to the GPU."""
        self._copy(ctypes.c_void_p(place), ctypes.c_void_p(array.ctypes.data), array.nbytes, _TO_DEVICE)

    def copy_out(self, array: Array, place: Optional[int]) -> None:
        """Begin to copy from the GPU into a contiguous array."""
        self._copy(ctypes.c_void_p(array.ctypes.data), ctypes.c_void_p(place), array.nbytes, _TO_HOST)

    def synchronise(self) -> None:
        """Wait until everything that was begun is done."""
        check("cudaStreamSynchronize", self._library.cudaStreamSynchronize(self._stream))

    def _copy(self, target: ctypes.c_void_p, source: ctypes.c_void_p, size: int, direction: int) -> None:
        code = self._library.cudaMemcpyAsync(
            target, source, ctypes.c_size_t(size), ctypes.c_int(direction), self._stream
        )
        check("cudaMemcpyAsync", code)


def check(call: str, code: int) -> None:
    """Raise RuntimeError unless a call of CUDA's runtime returned 0."""
    if code:
        raise RuntimeError("{} returned CUDA error {}".format(call, code))


def _load_library() -> ctypes.CDLL:
    """Return CUDA's runtime library; NoVerdict where this machine has none."""
    for name in filter(None, (ctypes.util.find_library("cudart"), *_LIBRARIES)):
        try:
            return ctypes.CDLL(name)
        except OSError:
            continue
    raise NoVerdict("runtime_missing", "libcudart, CUDA's runtime library, is not on this machine")
