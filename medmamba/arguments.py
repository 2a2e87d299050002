"""Kinds of arguments, so that what a command cannot work with is refused before the work and not after it."""

import os
from argparse import ArgumentTypeError
from collections.abc import Callable
from pathlib import Path


def whole_from(least: int, most: int = 2**32 - 1) -> Callable[[str], int]:
    """For ``type`` of an argument: what reads a whole number from ``least`` to ``most``, and refuses anything else."""

    def whole_number(text: str) -> int:
        number = int(text)  # what is no number at all, argparse words by this function's name
        if not least <= number <= most:
            raise ArgumentTypeError(f"a whole number from {least} to {most} is wanted, not {number}")
        return number

    whole_number.__name__ = "whole number"
    return whole_number


def new_file(text: str) -> Path:
    """The path of a file to write, for ``type`` of an argument; one that is there is written anew.

    Raises:
        ArgumentTypeError: it is a folder, it or the folder that it belongs into may not be written, or there is no such
            folder.
    """
    path = Path(text)
    if os.path.isdir(path):
        raise ArgumentTypeError("this is a folder; name a file in it")
    if not os.path.isdir(path.parent):
        raise ArgumentTypeError("there is no folder for this file; make it first")
    written = [path] if os.path.exists(path) else []
    if not written or os.path.isfile(path):
        written.append(path.parent)  # where ``replacing`` puts the new file first
    if not all(os.access(place, os.W_OK) for place in written):
        raise ArgumentTypeError("this file may not be written; name another place")
    return path


def new_folder(text: str) -> Path:
    """The path of a folder to write to, for ``type`` of an argument; it, and those above it, need not be there.

    Raises:
        ArgumentTypeError: there is a file on the way, or nothing may be written there.
    """
    path = Path(text)
    there = next(place for place in (path, *path.absolute().parents) if os.path.exists(place))
    if not os.path.isdir(there):
        raise ArgumentTypeError("there is a file of that name, or on the way; name another folder")
    if not os.access(there, os.W_OK):
        raise ArgumentTypeError("nothing may be written there; name another folder")
    return path


def words(text: str) -> str:
    """Words for people to read, for ``type`` of an argument.

    Raises:
        ArgumentTypeError: there are none.
    """
    if not text.strip():
        raise ArgumentTypeError("words are wanted, not nothing")
    return text.strip()
