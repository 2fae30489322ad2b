"""Points of learning curves from finished runs: means over seeds with intervals over genes and seeds."""

import numpy as np
import pytest

from dnastudy.analysis.learning_curve_statistics import fit_curve, points
from dnastudy.evaluation import metrics
from dnastudy.experiments.curve_plan import curve_runs
from dnastudy.experiments.profile import Profile
from dnastudy.experiments.store import Store

FRACTIONS = [1, 0.5, 0.25, 0.125]
LAPLACE = {"model": "ngram", "settings": {"order": 3, "smoothing": "laplace"}}
CURVES = {"fractions": FRACTIONS, "seeds": [1, 2], "models": {"laplace": LAPLACE}}
SETTINGS = {"data": "simulated", "simulated_genes": 200, "mle_orders": [1], "laplace_orders": [2],
            "train_orders": [3], "bootstrap_replicates": 100, "curves": CURVES}  # fmt: skip


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Runs on parts of the training genes, two seeds of each part."""
    profile = Profile.parse(SETTINGS, "profile of a test")
    dataset, store = profile.dataset(), Store(tmp_path_factory.mktemp("store"), precomputed_folder=None)
    return [store.get(run, dataset) for run in curve_runs(profile) if run.split == "own"]


def test_a_point_is_the_mean_over_the_seeds_of_a_part(results):
    curve = points(results, 100)
    assert [point.seeds for point in curve] == [2, 2, 2, 1], "all genes are the same genes for every seed"
    for point, fraction in zip(curve, sorted(FRACTIONS), strict=True):
        records = [result.record for result in results if result.record["data"]["fraction"] == fraction]
        assert point.bits.shape == (101,)
        assert point.bits[0] == pytest.approx(np.mean([record["metrics"]["bits_per_base"] for record in records]))
        assert point.symbols == np.mean([record["data"]["train_nucleotides"] for record in records])
        assert point.parameters == np.mean([record["parameters"] for record in records])
        low, high = point.interval
        assert low < point.bits[0] < high
    assert np.diff([point.symbols for point in curve]).min() > 0


def test_the_interval_of_a_single_seed_is_that_over_genes(results):
    whole = next(result for result in results if result.run.fraction == 1)
    assert points(results, 100)[-1].interval == tuple(whole.metrics["bits_per_base_interval"])


def test_points_of_some_of_the_test_genes(results):
    scores = results[0].scores()
    some = points(results, 100, np.arange(len(scores)) < 20)[-1]
    assert some.bits[0] == pytest.approx(metrics.bits_per_base(scores[:20]))


def test_a_power_law_is_fitted_to_the_points_and_to_each_resample_of_them(results):
    curve = points(results, 100)
    law = fit_curve(curve)
    assert law.floor.shape == (101,) and np.isfinite(law.at(curve[0].symbols)).all()
    assert law.at(curve[0].symbols)[0] == pytest.approx(curve[0].bits[0], abs=0.05)
