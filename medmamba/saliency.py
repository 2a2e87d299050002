"""Where in the picture the network found evidence for a class: class activation maps, and how far to trust them.

The maps come from the grad-cam package. It is given the activations that the answer already holds and the gradient of
the class's logit with respect to them, so only the stages after the one looked at are run again: for the last stage
that is a mean and a linear layer, and Grad-CAM there equals CAM (Zhou et al. 2016): the cells of its map sum to the
class's logit less its bias.

Maps are neither clipped nor stretched: the page needs to tell strong evidence from weak, and some from none.
"""

from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np
import torch
from PIL import Image, ImageFilter
from torch import Tensor, nn

from medmamba.classifier import Answer, Classifier
from medmamba.errors import RequestError

METHODS = {
    "grad-cam": "GradCAM",
    "grad-cam++": "GradCAMPlusPlus",
    "xgrad-cam": "XGradCAM",
    "layer-cam": "LayerCAM",
    "eigen-cam": "EigenCAM",
    "score-cam": "ScoreCAM",
}
LAST_STAGE = 4
MARKED = 0.1  # share of the picture that the deletion score blurs
RANDOM_MARKS = 20


@dataclass(frozen=True)
class EvidenceMap:
    """Evidence for one class, cell by cell.

    values: (h, w) float32; for Grad-CAM of the last stage, in units of the logit, negative where it speaks against.
    reference: the value to be shown as strong: the card's for Grad-CAM of the last stage, else the map's own largest.
    """

    values: np.ndarray = field(repr=False)
    method: str
    stage: int
    class_name: str
    reference: float

    @property
    def is_positive_anywhere(self) -> bool:
        """Whether any cell speaks for the class; if none does, that is the finding."""
        return bool((self.values > 0).any())

    def smooth(self, height: int, width: int) -> np.ndarray:
        """The map at the size of a picture, interpolated bilinearly between the centres of its cells."""
        resized = Image.fromarray(self.values, mode="F").resize((width, height), Image.Resampling.BILINEAR)
        return np.asarray(resized)


@dataclass(frozen=True)
class DeletionScore:
    """How the class's probability falls when the marked tenth of the picture is blurred, against other tenths.

    fall: by the marked tenth; random_fall: mean over random tenths of the same shape; beaten: share of random tenths
    whose blurring matters less than the marked one's.
    """

    fall: float
    random_fall: float
    beaten: float


def evidence_map(
    classifier: Classifier, answer: Answer, class_name: str, method: str = "grad-cam", stage: int = LAST_STAGE
) -> EvidenceMap:
    """Map the evidence for a class of the answered task on the grid of a stage (1 to 4).

    Raises:
        RequestError: no such class, method or stage.
    """
    output = _output_of(classifier, answer, class_name)
    if method not in METHODS:
        raise RequestError(f"There is no evidence map {method!r}; there are: {', '.join(METHODS)}.")
    if not 1 <= stage <= LAST_STAGE:
        raise RequestError(f"There is no stage {stage}; the stages are 1 to {LAST_STAGE}.")
    activations = answer.grids[stage - 1].detach().clone()[None]  # a clone leaves inference mode
    values = _cam(classifier, answer, activations.to(classifier.device), method, stage, output)
    reference = classifier.card.evidence_scale.get(answer.task) if (method, stage) == ("grad-cam", LAST_STAGE) else None
    return EvidenceMap(values, method, stage, class_name, reference or max(float(values.max()), 1e-6))


def grad_cam_of(network: nn.Module, layer: nn.Module, inputs: Tensor) -> np.ndarray:
    """Grad-CAM of the most probable class of any network, at the part of it that puts out (batch, channels, h, w).

    inputs (batch, 3, H, W) -> (batch, H, W), from 0 to 1, without what speaks against the class.
    """
    import pytorch_grad_cam

    with pytorch_grad_cam.GradCAM(network, target_layers=[layer]) as cam:
        return cam(inputs.clone().requires_grad_(), targets=None)


def modality_map(classifier: Classifier, answer: Answer, modality: str) -> EvidenceMap:
    """Grad-CAM of the last stage for the router's most probable task of a modality, on the map's own scale.

    Raises:
        RequestError: the router knows no such modality.
    """
    layout = classifier.card.layout
    task = next((name for name, _ in answer.routes if layout.task(name).modality == modality), None)
    if task is None:
        raise RequestError(f"The checkpoint does not recognise {modality!r}.")
    activations = answer.grids[-1].detach().clone()[None].to(classifier.device)
    output = layout.router.start + layout.route(task)
    values = _cam(classifier, answer, activations, "grad-cam", LAST_STAGE, output)
    return EvidenceMap(values, "grad-cam", LAST_STAGE, modality, max(float(values.max()), 1e-6))


def deletion_score(classifier: Classifier, answer: Answer, evidence: EvidenceMap, seed: int = 0) -> DeletionScore:
    """Blur the tenth of the picture with the most evidence, and random tenths of the same shape, and compare.

    The random tenths are the marked one, rolled around the picture and mirrored at random.
    """
    size = classifier.card.transform.size
    strength = evidence.smooth(size, size)
    marked = strength >= np.quantile(strength, 1 - MARKED)
    random = np.random.default_rng(seed)
    marks = [marked]
    for _ in range(RANDOM_MARKS):
        flipped = marked[:: random.choice((-1, 1)), :: random.choice((-1, 1))]
        marks.append(np.roll(flipped, random.integers(size, size=2), axis=(0, 1)))
    blurred = np.asarray(Image.fromarray(answer.seen).filter(ImageFilter.GaussianBlur(size / 12)))
    pictures = [np.where(mark[..., None], blurred, answer.seen) for mark in marks]
    before = _probability(answer, evidence.class_name)
    after = [_probability(a, evidence.class_name) for a in classifier.answer_batch(pictures, answer.task)]
    falls = before - np.array(after)
    return DeletionScore(float(falls[0]), float(falls[1:].mean()), float((falls[1:] < falls[0]).mean()))


def _output_of(classifier: Classifier, answer: Answer, class_name: str) -> int:
    names = classifier.card.layout.task(answer.task).class_names
    if class_name not in names:
        raise RequestError(f"The task {answer.task} has no class {class_name!r}; it has: {', '.join(names) or 'none'}.")
    return classifier.card.layout.outputs(answer.task).start + names.index(class_name)


def _cam(
    classifier: Classifier, answer: Answer, activations: Tensor, method: str, stage: int, output: int
) -> np.ndarray:
    import pytorch_grad_cam  # slow to import, and needed only when a map is asked for
    from pytorch_grad_cam import score_cam
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    score_cam.tqdm = SimpleNamespace(tqdm=iter)  # its progress bar has no switch, and would go to the server's stderr
    gradient = _gradient(classifier, activations, stage, output)
    picture = classifier.card.transform.to_tensor(answer.seen[None]).to(classifier.device)
    # Without target layers the package puts no hooks on the network, which other threads may be using.
    cam = getattr(pytorch_grad_cam, METHODS[method])(classifier.model, target_layers=[])
    to_channels_first = (0, 3, 1, 2)
    values = cam.get_cam_image(
        picture,
        None,
        [ClassifierOutputTarget(output)],
        activations.permute(to_channels_first).cpu().numpy(),
        gradient.permute(to_channels_first).cpu().numpy(),
        False,  # no smoothing by principal components
    )
    return np.asarray(values[0], dtype=np.float32)


def _gradient(classifier: Classifier, activations: Tensor, stage: int, output: int) -> Tensor:
    model = classifier.model
    with torch.enable_grad():
        entry = activations.clone().requires_grad_()
        return torch.autograd.grad(model.head(model.continue_from(entry, stage))[0, output], entry)[0]


def _probability(answer: Answer, class_name: str) -> float:
    return next(score.probability for score in answer.scores if score.name == class_name)
