"""Decoding in parallel: batches of entries in, arrays out, in order, in bounded memory.

Processes, not threads: for small images Pillow holds the GIL too often (two threads decode 32 x 32 WebP at 0.6 times
the rate of one, two processes at twice). They are started as plain programs rather than by multiprocessing, which
would run the caller's main module, with all that it imports, a second time.
"""

from __future__ import annotations

import os
import pickle
import queue
import subprocess
import sys
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from searches.nash.imagefolder.decode import Decoded, decode
from searches.nash.imagefolder.source import BadArchive, Entry, Source, shown

BATCH_IMAGES = 128
IN_FLIGHT = 3  # batches per process: one at work, one waiting, one done
MIN_IMAGES_PER_PROCESS = 1500  # below, a process's start costs more than it saves


def usable_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def decode_all(
    source: Source, batches: Sequence[Sequence[Entry]], side: int, n_processes: int | None = None
) -> Generator[Decoded]:
    """One Decoded per batch, in order. n_processes: 0 decodes here; None takes what the number of images deserves.

    Raises BadArchive as decode does, or if a decoder breaks down.
    """
    if n_processes is None:
        n_images = sum(map(len, batches))
        n_processes = 0 if n_images < MIN_IMAGES_PER_PROCESS else usable_cores()
    if n_processes == 0:
        with source.reader() as reader:
            for batch in batches:
                yield decode(reader, batch, side)
        return
    with Decoders(source, side, n_processes) as decoders:
        yield from decoders.map(batches)


class Decoders:
    """Decoding processes, each driven by one thread; a context manager that ends them."""

    def __init__(self, source: Source, side: int, n_processes: int) -> None:
        self._source, self._side = source, side
        self._processes = [_start() for _ in range(n_processes)]
        self._idle: queue.SimpleQueue[subprocess.Popen[bytes]] = queue.SimpleQueue()
        for process in self._processes:
            self._idle.put(process)
        self._threads = ThreadPoolExecutor(n_processes, thread_name_prefix="decode")

    def __enter__(self) -> Decoders:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            process.kill()
        self._threads.shutdown(wait=True, cancel_futures=True)
        for process in self._processes:
            process.communicate()

    def map(self, batches: Iterable[Sequence[Entry]]) -> Iterator[Decoded]:
        """One Decoded per batch, in order, with IN_FLIGHT batches per process under way."""
        under_way: deque[Future[Decoded]] = deque()
        for batch in batches:
            under_way.append(self._threads.submit(self._decode, batch))
            if len(under_way) >= IN_FLIGHT * len(self._processes):
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()

    def _decode(self, batch: Sequence[Entry]) -> Decoded:
        process = self._idle.get()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            pickle.dump((self._source, self._side, batch), process.stdin, pickle.HIGHEST_PROTOCOL)
            process.stdin.flush()
            answer: Decoded | Exception = pickle.load(process.stdout)  # noqa: S301  (our own process)
        except (EOFError, OSError, pickle.UnpicklingError) as error:
            raise BadArchive(
                f"An image between {shown(batch[0].name)} and {shown(batch[-1].name)} makes the decoder break down."
            ) from error
        finally:
            self._idle.put(process)
        if isinstance(answer, Exception):
            raise answer
        return answer


def _start() -> subprocess.Popen[bytes]:
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(path or str(Path.cwd()) for path in sys.path),
        "OMP_NUM_THREADS": "1",
    }
    return subprocess.Popen(
        [sys.executable, "-m", "searches.nash.imagefolder.decoder"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment,
    )  # fmt: skip
