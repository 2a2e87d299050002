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
        ({"warm_up": 101, "pictures": 100}, "--warm-up 101 is longer than the run of 100 pictures"),
        ({"norms": "frozen"}, "--norms frozen keeps the statistics of weights to --start-from"),
    ],
)
def test_settings_that_cannot_be(setting, sentence):
    with pytest.raises(RequestError, match=sentence):
        TrainConfig(**PLACES, **setting)


def test_settings_at_their_bounds():
    assert TrainConfig(**PLACES, size=32, batch=1, average=0, learning_rate=0, norms="frozen", start_from="x")


@pytest.mark.parametrize(
    ("length", "pictures"),
    [
        ({"pictures": 250_000}, 10_000),
        ({"pictures": 36_000}, 3600),
        ({"pictures": 9}, 0),
        ({"pictures": 100, "warm_up": 100}, 100),
        ({"pictures": 100, "warm_up": 0}, 0),
    ],
)
def test_a_warm_up_that_nobody_named_is_a_tenth_of_the_run_at_most(length, pictures):
    assert TrainConfig(**PLACES, **length).rise == pictures


def test_epochs_are_told_in_pictures():
    config = TrainConfig(**PLACES, epochs=3, pictures=1, warm_up=120)
    assert (config.of_length(40).pictures, config.of_length(40).validate_every) == (120, 40)
    assert TrainConfig(**PLACES, epochs=3).of_length(40).rise == 12
    assert TrainConfig(**PLACES, pictures=80).of_length(40).pictures == 80
    with pytest.raises(RequestError, match="--warm-up 120 is longer than the run of 117 pictures"):
        config.of_length(39)
