"""Many files: one row of plain data each, whether it could be read or not."""

import base64
import io
from collections.abc import Iterator
from typing import Any

import numpy as np
from PIL import Image

from app import present
from app.conversation import field, sentence
from app.service import Analysis, Question, Service
from app.texts import Texts, texts_for
from medmamba.deck import title
from medmamba.errors import RequestError

MAX_TOKENS = 16  # in one request, so that visitors take turns
THUMBNAIL = 72  # pixels


def rows(service: Service, data: Any) -> Iterator[dict[str, Any]]:
    """Answers for the held files that a request names, a message after each; every file is forgotten afterwards.

    The request may name question and model; without them the network decides, and the default model answers.
    """
    texts = texts_for("en")
    request: int = 0
    try:
        if not isinstance(data, dict):
            raise RequestError("The request is not an object.")
        request = field(data, "request", int)
        texts = texts_for(field(data, "language", str, "en"))
        tokens = field(data, "tokens", list)
        task, checkpoint = field(data, "task", str, None), field(data, "checkpoint", str, None)
        if len(tokens) > MAX_TOKENS or not all(isinstance(token, str) for token in tokens):
            raise RequestError(f"A request names at most {MAX_TOKENS} files.")
        done: list[dict[str, Any]] = []
        for token in tokens:
            done.append(_row(service, Question(token, task=task, checkpoint=checkpoint), texts))
            yield {"request": request, "rows": list(done), "finished": len(done) == len(tokens)}
    except Exception as error:
        yield {"request": request, "rows": [], "finished": True, "error": sentence(error, texts)}


def _row(service: Service, question: Question, texts: Texts) -> dict[str, Any]:
    try:
        return {"token": question.token} | _answer(service.classify(question), texts)
    except Exception as error:
        return {"token": question.token, "error": sentence(error, texts)}
    finally:
        service.drop(question.token)


def _answer(analysis: Analysis, texts: Texts) -> dict[str, Any]:
    answer, top = analysis.answer, analysis.answer.top
    refused, modality = analysis.is_refused, title(texts.term(analysis.task.modality))
    words = texts("batch.refused") if refused else present.band_words(analysis, texts)
    return {
        "thumbnail": thumbnail(answer.seen),
        "modalityWords": present.nearest(analysis, texts) if refused else modality,
        "classWords": texts.term(top.label) if top else "",
        "bandWords": words,
        "warningWords": [texts.say(warning) for warning in analysis.warnings],
        "modality": analysis.task.modality,
        "modalities": dict(answer.modalities),
        "task": answer.task,
        "chosen_by": answer.chosen_by,
        "class": top.name if top else "",
        "probability": top.probability if top else None,
        "probabilities": {score.name: score.probability for score in answer.scores},
        "prediction_set": list(answer.prediction_set.names) if answer.prediction_set else None,
        "refused": refused if answer.novelty else None,
        "warnings": list(analysis.warnings),
        "checkpoint": analysis.checkpoint,
        "version": analysis.card.version,
        "sha256": analysis.card.sha256,
    }


def thumbnail(seen: np.ndarray) -> str:
    """A small freshly encoded picture as a data address."""
    buffer = io.BytesIO()
    Image.fromarray(seen).resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BILINEAR).save(buffer, "JPEG", quality=85)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"
