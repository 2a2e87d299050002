"""The guarded process that decodes uploads: ``python -m medmamba.images.worker``, started by ``guard`` alone.

It reads jobs from its standard input and answers on what was its standard output; before it imports a decoder it points
1 and 2 at nowhere, so that nothing a library prints about a file reaches a log. It holds itself to a size of memory,
to a number of CPU seconds for each job, to no written files and to no core dumps.

A job is a head (frame, length of the file) and the file; an answer is a head (state, length of the text, length of the
pixels), the text and the pixels.
"""

import os
import struct
import sys
from typing import BinaryIO

JOB = struct.Struct("<qQ")
ANSWER = struct.Struct("<BQQ")
READY, PICTURE, REFUSED, FAULT = range(4)
MEMORY = 2 * 2**30
CPU_SECONDS = 12


def main() -> None:
    """Serves jobs until the input ends."""
    jobs, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nowhere, descriptor)
    _limit()
    from medmamba.errors import ImageError
    from medmamba.images.decode import decode
    from medmamba.images.wire import pack

    _answer(answers, READY)
    while len(head := jobs.read(JOB.size)) == JOB.size:
        frame, length = JOB.unpack(head)
        data = jobs.read(length)
        _renew_cpu()
        try:
            description, pixels = pack(decode(data, frame))
        except ImageError as error:
            _answer(answers, REFUSED, str(error).encode())
        except Exception as error:
            _answer(answers, FAULT, _where(error).encode())
        else:
            _answer(answers, PICTURE, description, pixels)
            del description, pixels
        del data


def _answer(answers: BinaryIO, state: int, text: bytes = b"", pixels: bytes | memoryview = b"") -> None:
    answers.write(ANSWER.pack(state, len(text), len(pixels)))
    answers.write(text)
    answers.write(pixels)
    answers.flush()


def _where(error: BaseException) -> str:
    """The kind of an exception and our line that it passed last; never its message, which may quote the file."""
    spot, trace = "", error.__traceback__
    while trace is not None:
        name = os.path.basename(trace.tb_frame.f_code.co_filename)
        if "medmamba" in trace.tb_frame.f_globals.get("__name__", ""):
            spot = f" at {name}:{trace.tb_lineno}"
        trace = trace.tb_next
    return type(error).__name__ + spot


def _limit() -> None:
    """Memory, file size and core dumps. Where the system has no such limits (Windows), the time limit alone holds."""
    if sys.platform == "win32":
        return
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    if sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def _renew_cpu() -> None:
    """Grants the next job its CPU seconds. A spent limit ends the process, even if the server is gone."""
    if sys.platform == "win32":
        return
    import resource

    usage = resource.getrusage(resource.RUSAGE_SELF)
    spent = int(usage.ru_utime + usage.ru_stime)
    resource.setrlimit(resource.RLIMIT_CPU, (spent + CPU_SECONDS, resource.getrlimit(resource.RLIMIT_CPU)[1]))


if __name__ == "__main__":
    main()
