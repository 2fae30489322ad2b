"""Environment of all tests, and of the kernels that nbval starts: stored outputs are of the quick profile."""

import os

os.environ.update(
    DNASTUDY_CHARTS="digest",
    PYTHONHASHSEED="0",
    TQDM_DISABLE="1",
    OMP_NUM_THREADS="1",
    MKL_NUM_THREADS="1",
)

pytest_plugins = ["notebook_comparison"]
