"""A search in shares is the search of one engine: on random systems."""

from __future__ import annotations

from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.unit.distributed.shares import check_in_shares, everything, summary

from .random_systems import draw_rules
from .test_kernel_is_world import DEPTH, explore_fast


@settings(max_examples=25, deadline=None, derandomize=True)
@example(seed=777883266)  # two properties break after equally many events, at worlds of different owners
@given(seed=st.integers(0, 2**32))
def test_random_systems(seed: int) -> None:
    """Whatever the network, the limits and the properties, and also if steps raise: the same for 1, 2 and 7 owners."""
    rules, properties = draw_rules(seed)
    options = {
        "properties": properties,
        "bounds": rules.bounds,
        "network": rules.network,
        "blocked": rules.blocked,
        "vary": rules.vary,
        "within": rules.within,
        "stop_at_first": False,
        "max_depth": DEPTH,
    }

    local = explore_fast(rules, properties, max_depth=DEPTH, reduce=())
    one, two, many = (check_in_shares(rules.system, workers=owners, **options) for owners in (1, 2, 7))

    assert summary(one) == summary(local)
    assert everything(one) == everything(two) == everything(many)
