import weakref

import numpy as np
import pytest

from app.store import PictureStore
from medmamba.errors import ImageError, RequestError
from medmamba.images import MedicalImage


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


def test_a_token_gives_its_file_and_no_other_does(clock):
    store = PictureStore(100, 10, clock)
    tokens = [store.put(b"a"), store.put(b"b")]
    assert [store.get(token).data for token in tokens] == [b"a", b"b"]
    with pytest.raises(RequestError, match="no longer held"):
        store.get("made up")


def test_a_picture_without_a_file_is_held_and_weighed_like_one(clock):
    store = PictureStore(10**6, 10, clock)
    image = MedicalImage(np.zeros((20, 30), np.uint8))
    token = store.put_picture(image)
    assert store.picture(token) is image
    assert store.holdings() == (1, 600)
    with pytest.raises(ImageError):
        store.picture(token, 1)
    assert store.picture(token) is image


def test_files_are_forgotten_when_untouched(clock):
    store = PictureStore(100, 10, clock)
    old, used = store.put(b"a"), store.put(b"b")
    clock.now = 9
    store.get(used)
    clock.now = 12
    store.get(used)
    with pytest.raises(RequestError):
        store.get(old)


def test_what_is_old_can_be_forgotten_without_a_request(clock):
    store = PictureStore(100, 10, clock)
    held = weakref.ref(store.get(store.put(b"a")))
    clock.now = 10
    store.forget_old()
    assert held() is not None
    clock.now = 11
    store.forget_old()
    assert held() is None


def test_the_longest_untouched_makes_room_and_the_newest_stays(clock):
    store = PictureStore(10, 100, clock)
    first, second = store.put(b"x" * 6), store.put(b"y" * 4)
    store.get(first)
    big = store.put(b"z" * 50)
    assert store.get(big).size == 50
    for token in (first, second):
        with pytest.raises(RequestError):
            store.get(token)


def test_what_is_spared_makes_no_room_until_it_is_released_or_its_time_is_over(clock):
    store = PictureStore(10, 100, clock)
    first, second = store.put(b"x" * 6, spare=30), store.put(b"y" * 6, spare=30)
    third = store.put(b"z" * 6)
    store.release(first)
    fourth = store.put(b"z" * 4)
    assert (store.get(second).size, store.get(fourth).size) == (6, 4)
    for token in (first, third):
        with pytest.raises(RequestError):
            store.get(token)
    clock.now = 31
    store.put(b"w" * 8)
    with pytest.raises(RequestError):
        store.get(second)


def test_a_dropped_file_is_gone(clock):
    store = PictureStore(10, 100, clock)
    token = store.put(b"a")
    store.drop(token)
    store.drop(token)
    with pytest.raises(RequestError):
        store.get(token)


def test_pictures_are_decoded_once_and_errors_are_for_the_screen(clock, png):
    store = PictureStore(2**24, 100, clock)
    token = store.put(png())
    assert store.picture(token) is store.picture(token)
    with pytest.raises(ImageError):
        store.picture(store.put(b"not a picture"))
