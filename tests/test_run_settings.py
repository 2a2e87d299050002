"""Settings of a run: which numbers and words they may be."""

import math

import pytest

from medmamba.errors import RequestError
from medmamba.run_settings import TrainConfig

PLACES = {"tasks": None, "data": None, "out": None}


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ({"size": 31}, "--size wants a number of at least 32, not 31"),
        ({"pictures": 0}, "--pictures wants a number of at least 1"),
        ({"epochs": -1}, "--epochs wants"),
        ({"warm_up": -1}, "--warm-up wants"),
        ({"batch": 0}, "--batch wants a number of at least 1, not 0"),
        ({"learning_rate": math.nan}, "--learning-rate wants a number of at least 0, not nan"),
        ({"learning_rate": math.inf}, "--learning-rate wants"),
        ({"drop_path": 1}, "--drop-path wants a number of at least 0 and smaller than 1, not 1"),
        ({"label_smoothing": 1}, "--label-smoothing wants"),
        ({"average": 1.5}, "--average wants"),
        ({"seed": 2**64}, "--seed wants"),
        ({"validate_every": 0}, "--validate-every wants a number of at least 1, not 0"),
        ({"schedule": "line"}, "--schedule has no setting 'line'; there are: cosine, steps, constant"),
        ({"norms": "group"}, "--norms has no setting 'group'; there are: batch, frozen"),
        ({"decays": "loose"}, "--decays has no setting 'loose'; there are: free, tied"),
        ({"priors": "guessed"}, "--priors has no setting 'guessed'; there are: drawn, natural"),
        ({"norms": "frozen"}, "--norms frozen keeps the statistics of weights to --start-from"),
    ],
)
def test_settings_that_cannot_be(setting, sentence):
    with pytest.raises(RequestError, match=sentence):
        TrainConfig(**PLACES, **setting)


def test_settings_at_their_bounds():
    assert TrainConfig(**PLACES, size=32, batch=1, average=0, learning_rate=0, norms="frozen", start_from="x")
