"""The loss: known values, the right outputs, the priors taken out of the logits."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from medmamba.data import UNLABELLED, Split
from medmamba.objective import Objective
from medmamba.sampling import Pool
from medmamba.tasks import OutputLayout

pytestmark = pytest.mark.usefixtures("one_thread")
# skin 0:3, chest 3:5, moles 5:7, router 7:10; retina has no classes


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_loss_of_a_network_that_knows_nothing(tasks, smoothing):
    objective = Objective(OutputLayout.generalist(tasks), smoothing, 0.5)
    labels, task = torch.tensor([2, 1, UNLABELLED]), torch.tensor([0, 1, 2])
    loss = objective(torch.zeros(3, 10), labels, task)
    assert loss.item() == pytest.approx((math.log(3) + math.log(2)) / 3 + 0.5 * math.log(3))


def test_the_loss_is_cross_entropy_within_the_task_and_over_the_routes(tasks):
    objective = Objective(OutputLayout.generalist(tasks), 0.2, 0.7)
    logits = torch.randn(4, 10)
    own = [(slice(0, 3), 1), (slice(3, 5), 0), None, (slice(5, 7), 1)]
    want = sum(
        F.cross_entropy(logits[i, place], torch.tensor(label), label_smoothing=0.2)
        for i, (place, label) in ((i, entry) for i, entry in enumerate(own) if entry)
    )
    routes = torch.tensor([0, 1, 2, 0])  # moles go the way of skin
    want = want / 4 + 0.7 * F.cross_entropy(logits[:, 7:], routes)
    got = objective(logits, torch.tensor([1, 0, UNLABELLED, 1]), torch.tensor([0, 1, 2, 3]))
    assert got.item() == pytest.approx(want.item())


def test_other_tasks_outputs_get_no_gradient(tasks):
    objective = Objective(OutputLayout.generalist(tasks), 0.05, 0.5)
    logits = torch.randn(2, 10, requires_grad=True)
    objective(logits, torch.tensor([0, 1]), torch.tensor([0, 1])).backward()
    reached = logits.grad != 0
    assert reached[0].tolist() == [True] * 3 + [False] * 4 + [True] * 3
    assert reached[1].tolist() == [False] * 3 + [True] * 2 + [False] * 2 + [True] * 3


def test_a_batch_without_labels_teaches_the_router_alone(tasks):
    objective = Objective(OutputLayout.generalist(tasks), 0.05, 0.5)
    logits = torch.randn(2, 10, requires_grad=True)
    objective(logits, torch.tensor([UNLABELLED, UNLABELLED]), torch.tensor([2, 2])).backward()
    assert logits.grad[:, :7].eq(0).all()
    assert logits.grad[:, 7:].ne(0).all()


def test_a_single_task_has_the_plain_loss(tasks):
    objective = Objective(OutputLayout(tasks[:1]), 0.0, 0.5)
    logits, labels = torch.randn(5, 3), torch.tensor([0, 1, 2, 2, 0])
    got = objective(logits, labels, torch.zeros(5, dtype=torch.long))
    assert got.item() == pytest.approx(F.cross_entropy(logits, labels).item())


def test_natural_priors_leave_the_draw_out_of_the_logits(tasks):
    """Of 90 and 10 pictures, drawn 3 to 1, a network that sees nothing does best to say 0.9 and 0.1."""
    pool = Pool(tasks[1:2], [Split(np.zeros((100, 4, 4, 3), np.uint8), np.array([0] * 90 + [1] * 10))])
    objective = Objective(OutputLayout(tasks[1:2]), 0.0, 0.5, pool.drawn_above_natural(balance=0.5))
    logits = torch.tensor([0.9, 0.1]).log().requires_grad_()
    objective(logits.expand(4, 2), torch.tensor([0, 0, 0, 1]), torch.zeros(4, dtype=torch.long)).backward()
    assert logits.grad.tolist() == pytest.approx([0.0, 0.0], abs=1e-6)


def test_a_mixed_picture_has_both_losses_by_their_shares(tasks):
    objective = Objective(OutputLayout.generalist(tasks), 0.1, 0.5)
    logits, task = torch.randn(3, 10), torch.tensor([0, 1, 2])
    own, other = torch.tensor([2, 0, UNLABELLED]), torch.tensor([1, 0, UNLABELLED])
    got = objective(logits, own, task, torch.tensor([0.7, 0.6, 1.0]), other)
    want = 0.7 * objective(logits, own, task) + 0.3 * objective(logits, other, task)
    assert got.item() == pytest.approx(want.item())
