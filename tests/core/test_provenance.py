"""What records say of their origin, and how they are written as JSON."""

import json
import math

import numpy as np
import pytest

from dnastudy.core import provenance
from dnastudy.core.provenance import finite, from_json, to_json


def test_json_there_and_back():
    record = {"a": math.inf, "b": [-math.inf, 1.5, {"c": math.inf}], "d": "text", "e": None, "f": True, "g": 0.1 + 0.2}
    assert from_json(to_json(record)) == record
    assert json.loads(to_json(record))["b"][0] == "-Infinity"
    assert from_json(to_json({"nan": math.nan})) == {"nan": None}
    numbers = finite({"n": np.int64(3), "x": np.float64("inf"), "pair": (np.float32(0.5), np.bool_(True))})
    assert json.dumps(numbers) == '{"n": 3, "x": "Infinity", "pair": [0.5, true]}'
    with pytest.raises(TypeError):
        to_json({"object": object()})


@pytest.mark.slow
def test_peak_memory_includes_a_large_array():
    provenance.reset_peak_memory()
    before = provenance.peak_memory_mb()
    block = np.ones(30 * 2**20 // 8 * 4)
    assert provenance.peak_memory_mb() > before + 90
    del block
