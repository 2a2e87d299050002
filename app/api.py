"""The documented endpoints for ``gradio_client`` and curl: ``/classify``, ``/saliency`` and ``/models``.

They answer with plain JSON. A picture sent to them leaves the disk once read, and is forgotten when answered.
"""

import functools
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import gradio as gr

from app.engine import AT_ONCE
from app.service import Analysis, Question, Service
from medmamba.checkpoints import Card
from medmamba.errors import MedMambaError, RequestError
from medmamba.saliency import LAST_STAGE
from medmamba.spreadsheet import NOTICE


def build(service: Service) -> None:
    """Adds the endpoints to the current Blocks; nothing of them is seen on the page."""

    def classify(picture: Any, task: Any, frame: Any, checkpoint: Any) -> dict[str, Any]:
        """Classify a picture: modality, probabilities of every class, band, novelty and the reader's warnings."""
        with _held(service, picture) as token:
            return as_json(service.classify(_question(token, task, frame, checkpoint)))

    def saliency(
        picture: Any,
        class_name: Any,
        method: Any,
        stage: Any,
        task: Any,
        frame: Any,
        checkpoint: Any,
    ) -> dict[str, Any]:
        """Map where the network found evidence for a class (the most probable one if none is named)."""
        with _held(service, picture) as token:
            analysis = service.classify(_question(token, task, frame, checkpoint))
            top = analysis.answer.top
            if top is None:
                raise RequestError("This question has no classes to map.")
            map_ = service.evidence(analysis, str(class_name or top.name), str(method), _whole(stage, "stage"))
            return as_json(analysis) | {
                "class_name": map_.class_name,
                "method": map_.method,
                "stage": map_.stage,
                "values": map_.values.astype(float).tolist(),
                "reference": map_.reference,
            }

    def models() -> dict[str, Any]:
        """Every checkpoint: its tasks and classes, or what is wrong with it."""
        return {name: _model(entry) for name, entry in service.models().items()}

    with gr.Row(visible=False):
        picture = gr.File(label="picture")
        task, checkpoint = gr.Textbox(None, label="task"), gr.Textbox(None, label="checkpoint")
        frame, stage = gr.Number(0, precision=0, label="frame"), gr.Number(LAST_STAGE, precision=0, label="stage")
        class_name, method = gr.Textbox(None, label="class_name"), gr.Textbox("grad-cam", label="method")
        result, button = gr.JSON(label="result"), gr.Button()
    shared: dict[str, Any] = {
        "outputs": result,
        "preprocess": False,  # for gr.File it would leave an empty file behind each time
        "concurrency_id": "network",
        "concurrency_limit": AT_ONCE,
        "show_progress": "hidden",
    }
    button.click(_spoken(classify), [picture, task, frame, checkpoint], api_name="classify", **shared)
    inputs = [picture, class_name, method, stage, task, frame, checkpoint]
    button.click(_spoken(saliency), inputs, api_name="saliency", **shared)
    button.click(_spoken(models), [], api_name="models", **shared)


def as_json(analysis: Analysis) -> dict[str, Any]:
    """An analysis as plain data, with all that is needed to tell later what it was made with."""
    answer, novelty, band = analysis.answer, analysis.answer.novelty, analysis.band
    return {
        "modalities": dict(answer.modalities),
        "task": answer.task,
        "question": analysis.task.question,
        "chosen_by": answer.chosen_by,
        "probabilities": {score.name: score.probability for score in answer.scores},
        "labels": {score.name: score.label for score in answer.scores},
        "band": None if band is None else {"kind": band.kind, "labels": list(band.labels), "held_back": band.held_back},
        "prediction_set": None
        if answer.prediction_set is None
        else {"classes": list(answer.prediction_set.names), "coverage": answer.prediction_set.coverage},
        "novelty": None
        if novelty is None
        else {"score": novelty.score, "threshold": novelty.threshold, "refused": novelty.refused},
        "warnings": list(analysis.warnings),
        "frame": analysis.image.frame,
        "frames": analysis.image.frames,
        "checkpoint": analysis.checkpoint,
        "version": analysis.card.version,
        "sha256": analysis.card.sha256,
        "notice": NOTICE,
    }


def _model(entry: Card | Exception) -> dict[str, Any]:
    if not isinstance(entry, Card):
        return {"error": str(entry)}
    return {
        "title": entry.title,
        "version": entry.version,
        "sha256": entry.sha256,
        "tasks": {
            task.name: {"modality": task.modality, "question": task.question, "classes": list(task.class_names)}
            for task in entry.layout.tasks
        },
    }


@contextmanager
def _held(service: Service, upload: Any) -> Iterator[str]:
    """The token of an uploaded file, for as long as it is worked on."""
    token = service.hold(_taken(upload))
    try:
        yield token
    finally:
        service.drop(token)


def _taken(upload: Any) -> bytes:
    """The content of an uploaded file, which leaves the disk before anything else happens to it."""
    folder = Path(os.environ["GRADIO_TEMP_DIR"]).resolve()
    try:
        file = Path(str(upload.get("path"))).resolve() if isinstance(upload, dict) else folder
        if not file.is_file() or not file.is_relative_to(folder):
            raise FileNotFoundError
        try:
            return file.read_bytes()
        finally:
            file.unlink(missing_ok=True)
            with suppress(OSError):
                file.parent.rmdir()
    except (OSError, ValueError):  # ValueError: such a path there cannot be
        raise RequestError("There is no picture in the request. Upload it first.") from None


def _question(token: str, task: Any, frame: Any, checkpoint: Any) -> Question:
    return Question(token, _whole(frame, "frame"), str(task) if task else None, str(checkpoint) if checkpoint else None)


def _whole(number: Any, name: str) -> int:
    if isinstance(number, bool) or not isinstance(number, (int, float)) or number != number // 1:
        raise RequestError(f"The {name} must be a whole number.")
    return int(number)


def _spoken(function: Callable[..., Any]) -> Callable[..., Any]:
    """The API's one place where an error of ours becomes an answer with its sentence."""

    @functools.wraps(function)
    def speaking(*arguments: Any) -> Any:
        try:
            return function(*arguments)
        except MedMambaError as error:
            raise gr.Error(str(error), print_exception=False) from None

    return speaking
