from app.line import Line


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_what_is_sent_and_what_waits_take_places():
    line = Line(2)
    with line.sending():
        assert not line.is_full()
        line.join("a")
        assert line.is_full()
    assert not line.is_full()
    line.join("b")
    assert line.is_full()
    line.leave("a")
    line.leave("a")
    assert not line.is_full()


def test_a_place_is_given_back_when_sending_fails():
    line = Line(1)
    try:
        with line.sending():
            raise ConnectionError
    except ConnectionError:
        pass
    assert not line.is_full()


def test_bytes_count_too():
    line = Line(10, 100)
    line.join("a", 60)
    assert not line.is_full()
    line.join("b", 60)
    assert line.is_full()
    line.leave("a")
    assert not line.is_full()


def test_who_never_asks_gives_up_his_place():
    clock = Clock()
    line = Line(2, seconds=30, clock=clock)
    line.join("a")
    clock.now = 20
    line.join("b")
    assert line.is_full()
    clock.now = 31
    assert not line.is_full()
    clock.now = 51
    line.join("c")
    assert not line.is_full()
