"""Ages are rounded up, with room for two clocks that drift apart."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alkey.age import age_ms, now_ns

MS = 1_000_000


@pytest.mark.parametrize(
    ("since_ns", "answered_ns", "lag_ms", "expected"),
    [
        (None, 5 * MS, 0, 0),
        (None, 5 * MS, 1, 4),
        (5 * MS, 5 * MS, 0, 2),
        (5 * MS - 1, 5 * MS, 0, 3),
        (5 * MS, 6 * MS - 2000, 0, 3),
        (5 * MS, 6 * MS, 0, 4),
        (0, 1000 * MS, 0, 1003),
        (0, 1000 * MS, 1000, 2004),
    ],
)
def test_an_age(since_ns: int | None, answered_ns: int, lag_ms: int, expected: int) -> None:
    assert age_ms(since_ns, answered_ns, lag_ms) == expected


@given(st.integers(0, 10**18), st.integers(0, 10**18))
def test_an_age_is_never_less_than_the_true_one_though_a_clock_is_slow(since_ns: int, lived_ns: int) -> None:
    # The server's clock is faster than this one by 0.1 %.
    assert age_ms(since_ns, since_ns + lived_ns) * MS * 1000 >= lived_ns * 1001


def test_the_clock_goes_on() -> None:
    assert now_ns() <= now_ns()
