"""Searches for homologs, and splits made of them: computed once for the same genes, as they take minutes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from filelock import FileLock

from dnastudy.core.atomic import atomic_dir
from dnastudy.core.code import sources
from dnastudy.data.datasets import Dataset
from dnastudy.experiments.identity import digest

PARTS = ("train", "validation", "test")
SEARCH = "homology.mmseqs"
"""Module whose code decides what a search finds."""


class HomologyCache:
    """Tables of homologs in a folder of a store.

    Parameters
    ----------
    root : Path
        Folder of the store.
    precomputed_folder : Path, optional
        Where splits lie that come with the repository.
    lock : callable
        Gives the lock of a name.
    """

    def __init__(self, root: Path, precomputed_folder: Path | None, lock: Callable[[str], FileLock]):
        self.root, self.precomputed_folder, self.lock = root, precomputed_folder, lock

    def homologs(self, dataset: Dataset, targets: Sequence[str] = ("train",)) -> pd.DataFrame:
        """Nearest homolog of each test gene in the splits ``targets`` (see `mmseqs.nearest_homologs`)."""
        from dnastudy.homology.mmseqs import nearest_homologs

        return self._searched("homologs", dataset, targets, lambda genes: nearest_homologs(dataset.test, genes))

    def aligned(self, dataset: Dataset, targets: Sequence[str] = ("train",)) -> np.ndarray:
        """Share of each test gene in any alignment with the splits ``targets`` (see `mmseqs.aligned_share`)."""
        from dnastudy.homology.mmseqs import aligned_share

        def search(genes: pd.DataFrame) -> pd.DataFrame:
            return dataset.test[["id"]].assign(share=aligned_share(dataset.test, genes))

        return self._searched("aligned", dataset, targets, search)["share"].to_numpy(dtype=float)

    def by_family(self, dataset: Dataset, seed: int = 1) -> Dataset:
        """The same genes in parts of the same sizes, with no held-out gene that has a homolog in training.

        A split that comes with the repository is taken as it is: another version of MMseqs2 might make another one.
        """
        from dnastudy.homology.mmseqs import split_by_family

        genes = pd.concat([dataset.splits[name] for name in PARTS], ignore_index=True)
        precomputed = self.precomputed_folder and self.precomputed_folder / split_file(dataset, seed)
        if precomputed and precomputed.exists():
            table = pd.read_csv(precomputed, dtype=str, keep_default_na=False)
        else:

            def cut() -> pd.DataFrame:
                sizes = [len(dataset.splits[name]) / len(genes) for name in PARTS]
                parts = zip(PARTS, split_by_family(genes, sizes, seed), strict=True)
                return pd.concat([part[["id"]].assign(part=name) for name, part in parts])

            identity = {"split": split_file(dataset, seed), "code": sources().hash([SEARCH, "data.splits"])}
            table = self._kept("families", identity, cut)
        by_id = genes.set_index("id", drop=False)
        parts = [by_id.loc[table.loc[table["part"] == name, "id"]].reset_index(drop=True) for name in PARTS]
        return dataset.resplit(parts, f"split anew by family (seed {seed})")

    def _searched(self, what: str, dataset: Dataset, targets: Sequence[str], search: Callable) -> pd.DataFrame:
        hashes = [dataset.hashes["test"], *(dataset.hashes[name] for name in targets)]
        identity = {what: hashes, "code": sources().hash([SEARCH])}
        return self._kept(what, identity, lambda: search(pd.concat([dataset.splits[name] for name in targets])))

    def _kept(self, what: str, identity: dict, compute: Callable[[], pd.DataFrame]) -> pd.DataFrame:
        """The table of this identity, computed if it is not there."""
        name = digest(identity)
        folder = self.root / what / name
        with self.lock(f"{what}-{name}"):
            if not (folder / "table.csv").exists():
                table = compute()
                with atomic_dir(folder) as half:
                    table.to_csv(half / "table.csv", index=False)
        text = {"id": str, "nearest": str, "strand": str, "part": str}
        return pd.read_csv(folder / "table.csv", dtype=text, keep_default_na=False)


def split_file(dataset: Dataset, seed: int = 1) -> str:
    """Name under which a split by family of these genes comes with the repository."""
    return f"split-{digest({'genes': [dataset.hashes[name] for name in PARTS], 'seed': seed})}.csv"
