import pytest

from grace.kit.attempt import Raised, Returned, attempt


def test_what_returns_is_returned() -> None:
    assert attempt(lambda: 7) == Returned(7)


def test_what_raises_comes_back_as_a_value() -> None:
    outcome = attempt(lambda: int("seven"))
    assert isinstance(outcome, Raised)
    assert isinstance(outcome.error, ValueError)


def test_an_order_to_stop_is_not_caught() -> None:
    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        attempt(stop)
