"""Every error that medmamba raises on purpose, in one tree.

    MedMambaError
    ├── ImageError            a file is not a picture that can be read, or not one to classify
    ├── CheckpointError       weights or their card are missing, damaged or do not fit together
    ├── BackendUnavailable    a scan backend was named and cannot run here
    ├── DataError             a training or test folder is not laid out as expected
    ├── DeckError             a deck of cases for teaching is not laid out as expected
    ├── RequestError          a question that the checkpoint cannot answer (unknown task, class, layer, method)
    └── BusyError             there is too much to do at the moment; the same request may be sent again

Each message is one or two sentences for the person in front of the screen: what was wrong, and what to do about it.
It never holds a file name, a path of the host or text out of the file, since these may name a patient; the callers know
which file they asked about. The command line and the page each have one place that shows a ``MedMambaError``.
"""


class MedMambaError(Exception):
    """The root: catching it catches everything that is not a fault of ours."""


class ImageError(MedMambaError):
    """The bytes are not a readable picture, break a limit, or hold no picture to classify."""


class CheckpointError(MedMambaError):
    """A checkpoint folder, its card or an official weight file cannot be used."""


class BackendUnavailable(MedMambaError):
    """A scan backend was asked for by name and cannot run on this machine."""


class DataError(MedMambaError):
    """A data set on disk is not laid out, or not labelled, as expected."""


class DeckError(MedMambaError):
    """A deck of cases for teaching cannot be read or made; a case is named by its number."""


class RequestError(MedMambaError):
    """The question does not fit the checkpoint."""


class BusyError(MedMambaError):
    """There is more to do than may wait; nothing was begun, and the same request may be sent again."""
