"""A decoding process, started by pool: `python -m searches.nash.imagefolder.decoder`."""

import os
import pickle
import signal
import sys
from typing import BinaryIO

from searches.nash.imagefolder.decode import Decoded, decode
from searches.nash.imagefolder.source import BadArchive


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer requests (source, side, entries) until the pipe ends with the parent."""
    while True:
        try:
            source, side, entries = pickle.load(requests)  # noqa: S301  (our own parent)
        except EOFError:
            return
        answer: Decoded | BadArchive
        try:
            with source.reader() as reader:
                answer = decode(reader, entries, side)
        except BadArchive as error:
            answer = error
        pickle.dump(answer, answers, pickle.HIGHEST_PROTOCOL)
        answers.flush()


if __name__ == "__main__":
    private = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # nothing that a library prints may get between the answers
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends this process
    try:
        serve(sys.stdin.buffer, private)
    except BrokenPipeError:
        os._exit(1)  # the parent is gone
