"""What a store knows of relatives: searched once for the same genes, as it takes minutes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from filelock import FileLock

from dnastudy.core.atomic import atomic_dir
from dnastudy.core.provenance import code_hash
from dnastudy.data.datasets import Dataset
from dnastudy.experiments.fitting import digest

PARTS = ("train", "validation", "test")
CODE = ("relatives.py", "sequences.py", "splits.py")


class Kin:
    """The part of a store that keeps searches for relatives, and splits that are made of them."""

    root: Path
    carried: Path | None
    lock: Callable[[str], FileLock]

    def relatives(self, dataset: Dataset, memory: Sequence[str] = ("train",)) -> pd.DataFrame:
        """Nearest relative of each test gene in the splits ``memory`` (see `relatives.nearest_homologs`)."""
        from dnastudy.homology.mmseqs import nearest_homologs

        return self._searched("relatives", dataset, memory, lambda genes: nearest_homologs(dataset.test, genes))

    def aligned(self, dataset: Dataset, memory: Sequence[str] = ("train",)) -> np.ndarray:
        """Share of each test gene in any alignment with the splits ``memory`` (see `relatives.aligned_share`)."""
        from dnastudy.homology.mmseqs import aligned_share

        def search(genes: pd.DataFrame) -> pd.DataFrame:
            return dataset.test[["id"]].assign(share=aligned_share(dataset.test, genes))

        return self._searched("aligned", dataset, memory, search)["share"].to_numpy(dtype=float)

    def by_family(self, dataset: Dataset, seed: int = 1) -> Dataset:
        """The same genes in parts of the same sizes, with no held-out gene that has a training relative.

        A split that comes with the repository is taken as it is: another version of MMseqs2 might make another one.
        """
        from dnastudy.homology.mmseqs import split_by_family

        genes = pd.concat([dataset.splits[name] for name in PARTS], ignore_index=True)
        given = self.carried and self.carried / split_file(dataset, seed)
        if given and given.exists():
            table = pd.read_csv(given, dtype=str, keep_default_na=False)
        else:

            def cut() -> pd.DataFrame:
                sizes = [len(dataset.splits[name]) / len(genes) for name in PARTS]
                parts = zip(PARTS, split_by_family(genes, sizes, seed), strict=True)
                return pd.concat([part[["id"]].assign(part=name) for name, part in parts])

            table = self._kept("families", {"split": split_file(dataset, seed), "code": code_hash(*CODE)}, cut)
        of = genes.set_index("id", drop=False)
        parts = [of.loc[table.loc[table["part"] == name, "id"]].reset_index(drop=True) for name in PARTS]
        return dataset.resplit(parts, f"split anew by family (seed {seed})")

    def _searched(self, what: str, dataset: Dataset, memory: Sequence[str], search: Callable) -> pd.DataFrame:
        hashes = [dataset.hashes["test"], *(dataset.hashes[name] for name in memory)]
        parts = {what: hashes, "code": code_hash(*CODE[:2])}
        return self._kept(what, parts, lambda: search(pd.concat([dataset.splits[name] for name in memory])))

    def _kept(self, what: str, parts: dict, compute: Callable[[], pd.DataFrame]) -> pd.DataFrame:
        """A table that ``parts`` identify, computed if it is not there."""
        name = digest(parts)
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
