import pandas as pd
import pytest

from dnastudy.data.splits import random_split


def frame(n):
    return pd.DataFrame({"id": [f"g{i}" for i in range(n)]}, index=range(100, 100 + n))


def test_paper_sizes():
    assert [len(part) for part in random_split(frame(22_886))] == [13_731, 4_577, 4_578]


@pytest.mark.parametrize("n", [3, 10, 997])
def test_parts_are_disjoint_and_whole(n):
    parts = random_split(frame(n), (0.34, 0.33, 0.33), seed=3)
    ids = [name for part in parts for name in part["id"]]
    assert len(ids) == n and set(ids) == set(frame(n)["id"])
    for part in parts:
        assert list(part.index) == list(range(len(part)))


def test_seed_decides():
    first, again, other = (random_split(frame(200), seed=seed)[2] for seed in (5, 5, 6))
    assert first.equals(again) and not first.equals(other)
    assert list(random_split(frame(12), seed=0)[1]["id"]) == ["g3", "g6"]  # the same on every machine


def test_input_is_left_alone():
    table = frame(10)
    part = random_split(table)[0]
    part.loc[0, "id"] = "changed"
    assert table.equals(frame(10))


@pytest.mark.parametrize(
    ("fractions", "words"),
    [((), "above 0"), ((0.5, 0.6), "sum to 1.1"), ((1.2, -0.2), "above 0"), ((0.5, float("nan"), 0.5), "above 0")],
)
def test_bad_fractions(fractions, words):
    with pytest.raises(ValueError, match=words):
        random_split(frame(10), fractions)


def test_empty_part():
    with pytest.raises(ValueError, match="part empty"):
        random_split(frame(2))
