"""Where in the picture the network found evidence for a class: maps of a stage's grid, and how far to trust them.

Two methods, both made from the grids that the answer already holds, so that only the stages after the one looked at
are run again:

* "grad-cam" (Selvaraju et al. 2017), from the grad-cam package: each channel weighed by the mean gradient of the
  class's logit. After the last stage come a mean and a linear layer, and there it equals CAM (Zhou et al. 2016): the
  cells sum to the logit less its bias. Before it cells do not enter the logit alike, and the mean gradient misleads.
* "integrated-gradients" (Sundararajan et al. 2017): what each cell adds to the logit compared with the picture's mean
  cell. It holds at every stage: the cells sum to the logit less that of a grid of mean cells.

A method has to bear grids whose values have both signs, since no ReLU comes after a stage. Withdrawn are those that do
not: Grad-CAM++ and XGrad-CAM divide by sums that may be near zero; Layer-CAM and Score-CAM change with the sign that a
channel happens to have; Eigen-CAM's sign is arbitrary, and a rule that ties it to the gradient flips where the two
hardly agree. HiResCAM was never offered: the layer norm between two stages makes it sum to zero in each two by two
cells that are merged, and at the last stage it is Grad-CAM. tests/test_saliency_soundness.py shows all of this.

Maps are neither clipped nor stretched: the page needs to tell strong evidence from weak, and some from none.
"""

from dataclasses import dataclass, field

import numpy as np
import torch
from PIL import Image, ImageFilter
from torch import Tensor, nn

from medmamba.classifier import Answer, Classifier
from medmamba.errors import RequestError

METHODS = ("grad-cam", "integrated-gradients")
WITHDRAWN = ("grad-cam++", "xgrad-cam", "layer-cam", "eigen-cam", "score-cam")
LAST_STAGE = 4
STEPS = 16  # of the integral, which is done by midpoints
MARKED = 0.1  # share of the picture that the deletion score blurs
RANDOM_MARKS = 20


@dataclass(frozen=True)
class EvidenceMap:
    """Evidence for one class, cell by cell.

    values: (h, w) float32, negative where it speaks against; in units of the logit for integrated gradients, and for
        Grad-CAM of the last stage.
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
    """Map the evidence for a class of the answered task, one value for each cell of the grid of a stage (1 to 4).

    method: one of ``METHODS``, which the module's docstring defines.

    Raises:
        RequestError: no such class, method or stage, or a method that is withdrawn.
    """
    output = _output_of(classifier, answer, class_name)
    if method in WITHDRAWN:
        raise RequestError(
            f"The evidence map {method!r} is no longer offered, since it is not sound where grids have both signs; "
            f"there are: {', '.join(METHODS)}."
        )
    if method not in METHODS:
        raise RequestError(f"There is no evidence map {method!r}; there are: {', '.join(METHODS)}.")
    if not 1 <= stage <= LAST_STAGE:
        raise RequestError(f"There is no stage {stage}; the stages are 1 to {LAST_STAGE}.")
    make = _grad_cam if method == "grad-cam" else _integrated_gradients
    values = make(classifier, answer, stage, output)
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
    values = _grad_cam(classifier, answer, LAST_STAGE, layout.router.start + layout.route(task))
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


def _grad_cam(classifier: Classifier, answer: Answer, stage: int, output: int) -> np.ndarray:
    import pytorch_grad_cam  # slow to import, and needed only when a map is asked for

    grid = _grid(classifier, answer, stage)
    # Without target layers the package puts no hooks on the network, which other threads may be using.
    cam = pytorch_grad_cam.GradCAM(classifier.model, target_layers=[])
    activations, gradient = (
        tensor.permute(0, 3, 1, 2).cpu().numpy() for tensor in (grid, _gradient(classifier, grid, stage, output))
    )
    return cam.get_cam_image(None, None, None, activations, gradient)[0]


def _integrated_gradients(classifier: Classifier, answer: Answer, stage: int, output: int) -> np.ndarray:
    grid = _grid(classifier, answer, stage)
    mean = grid.mean((1, 2), keepdim=True)
    shares = (torch.arange(STEPS, device=grid.device) + 0.5) / STEPS
    way = mean + shares[:, None, None, None] * (grid - mean)
    gradient = _gradient(classifier, way, stage, output).mean(0)
    return ((grid - mean)[0] * gradient).sum(-1).cpu().numpy()


def _grid(classifier: Classifier, answer: Answer, stage: int) -> Tensor:
    """(1, h, w, channels), out of inference mode."""
    return answer.grids[stage - 1].detach().clone()[None].to(classifier.device)


def _gradient(classifier: Classifier, grids: Tensor, stage: int, output: int) -> Tensor:
    """Of the logit with respect to each of the grids."""
    model = classifier.model
    with torch.enable_grad():
        entry = grids.clone().requires_grad_()
        return torch.autograd.grad(model.head(model.continue_from(entry, stage))[:, output].sum(), entry)[0]


def _probability(answer: Answer, class_name: str) -> float:
    return next(score.probability for score in answer.scores if score.name == class_name)
