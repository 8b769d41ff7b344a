"""Formulas against numbers computed by hand, exhaustive counting, and simulation."""

import itertools
import math

import numpy as np
import pytest
import scipy.stats

from subtuning.analysis import statistics as st

SCORES = [0.80, 0.90, 0.85, 0.95, 0.90]
SPREAD = math.sqrt(0.013 / 4)  # squared deviations from 0.88: 0.0064 + 0.0004 + 0.0009 + 0.0049 + 0.0004
T4 = 2.776445105  # 97.5% point of Student's t with 4 degrees of freedom, from a printed table


def test_seed_interval_is_the_plain_t_interval():
    found = st.interval(SCORES, None)
    assert found.mean == pytest.approx(0.88)
    assert found.std == pytest.approx(SPREAD)
    assert found.n == 5
    assert found.high - found.mean == pytest.approx(T4 * SPREAD * math.sqrt(1 / 5), rel=1e-8)
    assert found.mean - found.low == pytest.approx(found.high - found.mean)


def test_fold_interval_uses_the_corrected_variance():
    found = st.interval(SCORES, 5)
    assert found.high - found.mean == pytest.approx(T4 * SPREAD * math.sqrt(1 / 5 + 1 / 4), rel=1e-8)


def test_repeated_cross_validation_shares_only_the_first_term():
    twice = st.interval(SCORES * 2, 5)
    spread = math.sqrt(0.026 / 9)
    expected = scipy.stats.t.ppf(0.975, 9) * spread * math.sqrt(1 / 10 + 1 / 4)
    assert twice.high - twice.mean == pytest.approx(expected)


def test_level_widens_the_interval():
    assert st.interval(SCORES, None, level=0.99).high > st.interval(SCORES, None).high


def test_one_value_has_no_interval():
    for found in (st.interval([0.7], None), st.interval([0.7], 5)):
        assert (found.mean, found.n) == (0.7, 1)
        assert np.isnan([found.std, found.low, found.high]).all()


def test_equal_values_have_an_interval_of_no_width():
    found = st.interval([0.1 + 0.2] * 5, 5)
    assert (found.std, found.low, found.high) == (0, found.mean, found.mean)


@pytest.mark.parametrize("values", [[], [0.5, float("nan")], [0.5, float("inf")], [[0.5, 0.6]]])
def test_no_interval_of_nothing_or_of_what_is_not_a_number(values):
    with pytest.raises(ValueError, match="interval needs"):
        st.interval(values, None)


def test_one_fold_is_no_cross_validation():
    with pytest.raises(ValueError, match="at least 2 folds"):
        st.interval([0.5], 1)


def test_pairing_removes_what_the_pairs_share():
    easy = np.array([0.0, 0.1, 0.2, 0.05, 0.15])
    gain = np.array([0.010, 0.012, 0.008, 0.011, 0.009])
    found = st.paired_interval(0.5 + easy + gain, 0.5 + easy, folds=None)
    assert found.mean == pytest.approx(0.010)
    assert found.high - found.low == pytest.approx(2 * T4 * gain.std(ddof=1) / math.sqrt(5))
    assert st.paired_interval(0.5 + easy + gain, 0.5 + easy, folds=5).high > found.high


def test_pairs_need_equal_lengths():
    with pytest.raises(ValueError, match="equally many"):
        st.paired_interval([0.5, 0.6], [0.5], folds=None)


def test_corrected_interval_covers_where_the_plain_one_does_not():
    """Folds correlate by 1/k in Nadeau and Bengio's model; there the corrected statistic has exactly Student's t."""
    rng, folds, repeats, truth = np.random.default_rng(0), 5, 1500, 0.9
    shared = math.sqrt(1 / folds) * rng.normal(size=(repeats, 1))
    own = math.sqrt(1 - 1 / folds) * rng.normal(size=(repeats, folds))
    samples = truth + 0.01 * (shared + own)
    corrected = np.mean([low <= truth <= high for *_, low, high in (st.interval(s, folds) for s in samples)])
    plain = np.mean([low <= truth <= high for *_, low, high in (st.interval(s, None) for s in samples)])
    assert corrected == pytest.approx(0.95, abs=0.02)
    assert plain < 0.90


@pytest.mark.parametrize(
    ("differences", "p"),
    [
        ([0.01, 0.02, 0.03], 2 / 8),  # only +++ and --- are as extreme
        ([0.03, 0.02, -0.01], 4 / 8),  # of the sums 6, 4, 2, 0, 0, -2, -4, -6 four reach 4
        ([0.1, 0.2, -0.3], 1),  # a sum of zero, but not in floating point
        ([0.0, 0.0, 0.0], 1),
        ([0.01] * 5, 2 / 32),
        ([0.01] * 6, 2 / 64),
    ],
)
def test_sign_flip_p_by_hand(differences, p):
    assert st.sign_flip_p(differences, [0.0] * len(differences)) == pytest.approx(p)


def test_sign_flip_p_counts_every_pattern():
    rng = np.random.default_rng(1)
    for n in (4, 7):
        steps = rng.integers(-6, 8, size=n)  # whole numbers of images, so that ties are exact
        sums = [abs(sum(sign * step for sign, step in zip(signs, steps, strict=True)))
                for signs in itertools.product((1, -1), repeat=n)]  # fmt: skip
        expected = np.mean([each >= abs(steps.sum()) for each in sums])
        assert st.sign_flip_p(0.5 + steps / 797, [0.5] * n) == pytest.approx(expected)


def test_p_never_falls_below_its_floor():
    for n in (2, 5, 6, st.EXACT_UP_TO):
        assert st.sign_flip_p([0.9] * n, [0.1] * n) == pytest.approx(2 / 2**n)
    many = st.EXACT_UP_TO + 2
    assert 2 / 2**many <= st.sign_flip_p([0.9] * many, [0.1] * many) < 0.001


def test_p_of_many_seeds_is_the_same_every_time():
    values = np.random.default_rng(2).normal(0.01, 0.03, 20)
    assert st.sign_flip_p(values, [0] * 20) == st.sign_flip_p(values, [0] * 20)


def test_one_pair_has_no_p():
    assert math.isnan(st.sign_flip_p([0.9], [0.8]))


def test_a_diverged_run_has_no_p():
    with pytest.raises(ValueError, match="finite"):
        st.sign_flip_p([0.9, float("nan")], [0.8, 0.8])
