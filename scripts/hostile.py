"""What a server should withstand and keep to itself: files and calls with a canary where a patient's name may stand.

The canary is in DICOM elements, in EXIF, in text chunks, in file names and in every field of calls that are not as they
should be. Nothing of it may come back in an answer, or be found in a log or on a disk.
"""

import contextlib
import io
import random
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pydicom
from PIL import Image, PngImagePlugin

from medmamba.images import fuzz, fuzz_seeds
from medmamba.images.formats import packaged

CANARY = "Canary^Patient"
MARK = CANARY.encode()
LARGEST = 2_000_000  # bytes of a packaged file that is sent as it is
NAMES = (
    "PatientName",
    "PatientID",
    "StudyDescription",
    "InstitutionName",
    "ReferringPhysicianName",
    "SeriesDescription",
)


@dataclass(frozen=True)
class Call:
    """A request that is not as it should be. more: what httpx is given beside it."""

    path: str
    more: dict[str, Any] = field(default_factory=dict)
    method: str = "POST"


def picture(seed: int, side: int = 512) -> bytes:
    """A smooth picture, as PNG or JPEG, with the canary in its texts."""
    coarse = np.random.default_rng(seed).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    image, buffer = Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC), io.BytesIO()
    if seed % 2:
        exif = Image.Exif()
        exif[0x010E] = exif[0x013B] = CANARY  # ImageDescription, Artist
        image.save(buffer, "JPEG", exif=exif, comment=CANARY)
    else:
        texts = PngImagePlugin.PngInfo()
        texts.add_text("Comment", CANARY)
        image.save(buffer, "PNG", pnginfo=texts)
    return buffer.getvalue()


def seeds() -> list[bytes]:
    """pydicom's own files under the canary's name where they can be written anew, and one made file of every kind."""
    files = [*fuzz_seeds.pictures().values(), picture(0, 64), picture(1, 64)]
    files.append(fuzz_seeds.dicom(np.arange(768, dtype=np.int16).reshape(24, 32), **dict.fromkeys(NAMES, CANARY)))
    for _, path in packaged():
        if fuzz.ALIKE not in path.name and path.suffix not in fuzz.TEXTS and path.stat().st_size <= LARGEST:
            files.append(_renamed(path.read_bytes()))
    return files


def file(files: list[bytes], rng: random.Random) -> bytes:
    """One of the seeds, broken more often than not."""
    return fuzz.mutate(files, rng) if rng.random() < 0.7 else rng.choice(files)


def archive(content: bytes) -> bytes:
    """A ZIP around a file."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as whole:
        whole.writestr("picture", content)
    return buffer.getvalue()


def calls(config: dict[str, Any]) -> Iterator[Call]:
    """Calls of every endpoint with wrong fields, kinds and numbers. config: Gradio's, as the server gives it."""
    upload = {"path": CANARY, "orig_name": CANARY, "url": f"http://{CANARY}/", "meta": {"_type": "gradio.FileData"}}
    data: list[Any] = [
        CANARY,
        {CANARY: CANARY},
        [CANARY],
        [[CANARY], {CANARY: CANARY}],
        [upload, CANARY, CANARY, CANARY],
    ]
    data += [[{**upload, "path": f"/etc/{CANARY}"}, None, 0, None], [None, CANARY, 0, None], [CANARY] * 20]
    for number, content in enumerate(data):
        for name in ("classify", "saliency", "models"):
            yield Call(f"gradio_api/call/{name}", {"json": {"data": content}})
            yield Call(f"gradio_api/call/v2/{name}", {"json": {"picture": content, CANARY: CANARY}})
        for dependency in config["dependencies"]:
            body = {
                "data": content,
                "fn_index": dependency["id"],
                "session_hash": f"malformed{number}-{dependency['id']}",
            }
            trigger = dependency["targets"][0][0]
            yield Call("gradio_api/queue/join", {"json": body | {"event_data": {"token": CANARY, CANARY: CANARY}}})
            yield Call("gradio_api/queue/join", {"json": body | {"event_data": CANARY, "trigger_id": trigger}})
            yield Call("gradio_api/queue/join", {"json": body | {"trigger_id": CANARY}})
    for path in ("queue/join", "call/classify", "cancel", "reset", "startup-events", "login_check", "upload"):
        yield Call(f"gradio_api/{path}", {"json": {CANARY: CANARY}})
        yield Call(f"gradio_api/{path}", {"content": MARK, "headers": {"content-type": "application/json"}})
    form = {"content-type": f"multipart/form-data; boundary={CANARY}"}
    part = f'--B\r\nContent-Disposition: form-data; name="files"; filename="{CANARY}"\r\n'
    odd = f"{part}Content-Transfer-Encoding: {CANARY}\r\n\r\n{CANARY}\r\n--B{CANARY}"
    yield Call("gradio_api/upload", {"content": MARK, "headers": form})
    yield Call(
        "gradio_api/upload", {"content": odd, "headers": form | {"content-type": "multipart/form-data; boundary=B"}}
    )
    yield Call("gradio_api/upload", {"files": {"files": (CANARY, MARK), CANARY: (CANARY, MARK)}})
    yield Call("login", {"data": {"username": CANARY, "password": CANARY}})
    for path in (
        "learn/quizzes",
        "classroom/rooms",
        "archives",
        "pictures",
        f"examples/{CANARY}",
        f"pictures/{CANARY}/x",
    ):
        yield Call(path, {"json": {"deck": CANARY, CANARY: CANARY}})
        yield Call(path, method="GET")
    for path in (f"texts/{CANARY}", CANARY, f"gradio_api/file={CANARY}", f"gradio_api/info?x={CANARY}", f"?{CANARY}"):
        yield Call(path, method="GET")


def _renamed(data: bytes) -> bytes:
    """A DICOM file under the canary's name; anything else, or one that pydicom cannot write, as it is."""
    with contextlib.suppress(Exception):
        dataset, buffer = pydicom.dcmread(io.BytesIO(data)), io.BytesIO()
        for name in NAMES:
            setattr(dataset, name, CANARY)
        dataset.save_as(buffer)
        return buffer.getvalue()
    return data
