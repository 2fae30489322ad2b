"""The one protocol of all models, and everything that follows from it.

A model assigns probabilities to A, C, G, T and END after each prefix of a sequence; scores, entropies, perplexities
and samples are derived from that here, once for all models. Logarithms are natural (nats), probabilities float64.
"""

from __future__ import annotations

import difflib
import json
import os
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import BaseModel

from dnastudy.core.atomic import atomic_dir
from dnastudy.core.config import Settings
from dnastudy.core.errors import ModelError
from dnastudy.data.sequences import EncodedSequences, decode, encode
from dnastudy.models.embedding import residuals
from dnastudy.models.sampling import draw

if TYPE_CHECKING:
    from dnastudy.display.looks import Look
    from dnastudy.models.search_space import SearchSpace
    from dnastudy.training.log import Workspace
    from dnastudy.training.report import Report

__all__ = ["LanguageModel", "ModelError", "Sequences", "Settings", "check_folder", "read_header"]

Sequences = Sequence[str] | EncodedSequences
FORMAT = 1
"""Version of the saved form; raised when older files can no longer be read."""


class LanguageModel(ABC):
    """A distribution over the next symbol (A, C, G, T, END) after any prefix of a nucleotide sequence.

    A new model defines `name`, `family`, `label`, `Settings`, `fit`, `log_distributions`, `num_parameters`, `_arrays`
    and `_restore`. It may override any derived method for speed; the common tests compare it with the derived one.

    Parameters
    ----------
    settings : dict or Settings, optional
        Values for the fields of the model's ``Settings``.

    Attributes
    ----------
    name : str
        Name under which the model is registered.
    family : str
        Model family in charts: "n-gram", "expert", "LSTM", "Transformer", "ensemble", "reference" or a new one.
    label : str
        What people read; by default the name. See `label_of`.
    look : Look, optional
        Look of the family in charts, one of `display.looks`; by default a spare one.
    presets : dict
        Named settings, such as those of published trials.
    search_space : dict
        Settings that a sweep searches, each with a range or choices; empty: there is nothing to search.
    of_others : bool
        Wraps another registered model, named in its settings: the study has no run of it by itself.
    notes : dict
        Plain values that are saved with the model: how it was trained.
    """

    name: ClassVar[str]
    family: ClassVar[str]
    label: ClassVar[str] = ""
    look: ClassVar[Look | None] = None
    Settings: ClassVar[type[Settings]] = Settings
    presets: ClassVar[dict[str, dict[str, Any]]] = {}
    search_space: ClassVar[SearchSpace] = {}
    of_others: ClassVar[bool] = False

    def __init__(self, settings: dict[str, Any] | Settings | None = None):
        if isinstance(settings, BaseModel):
            settings = settings.model_dump()
        self.settings = type(self).Settings.parse(settings or {}, self.name)
        self.notes: dict[str, Any] = {}

    @classmethod
    def preset(cls, name: str) -> dict[str, Any]:
        """Return the settings of this name; ModelError naming the known ones if there are none."""
        if name not in cls.presets:
            near = difflib.get_close_matches(name, cls.presets, 1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise ModelError(f"{cls.name}: unknown preset {name!r}{hint} (known: {', '.join(cls.presets) or 'none'})")
        return dict(cls.presets[name])

    @classmethod
    def label_of(cls, settings: dict[str, Any]) -> str:
        """Return what people read for a model with these settings, such as "12-gram, tuned Witten-Bell"."""
        return cls.label or cls.name

    # what a model must define

    @abstractmethod
    def fit(self, train: Sequences, validation: Sequences | None = None) -> Self:
        """Train on ``train``; ``validation`` may only be used to tune."""

    @abstractmethod
    def log_distributions(self, sequences: Sequences) -> list[np.ndarray]:
        """Natural-log probabilities of A, C, G, T, END after each prefix.

        Returns
        -------
        One float64 array a sequence, shape (length + 1, 5): row 0 after the empty prefix, the last row after the
        whole sequence. -inf in the last column throughout: the model does not predict the end.
        """

    @property
    @abstractmethod
    def num_parameters(self) -> int:
        """Number of parameters: numbers that were learned from data."""

    @abstractmethod
    def _arrays(self) -> dict[str, np.ndarray]:
        """Return arrays that hold all that was learned."""

    @abstractmethod
    def _restore(self, arrays: dict[str, np.ndarray]) -> None:
        """Restore what `_arrays` returned."""

    @property
    def paper_events(self) -> Literal["nucleotides", "nucleotides and end"] | None:
        """Events that the paper's perplexity of this family averages over; None: the paper has no such model."""
        return None

    @property
    def tuned(self) -> dict[str, float]:
        """Values that were chosen on validation genes, by name."""
        return {}

    def fit_long(
        self, train: Sequences, validation: Sequences | None = None,
        workspace: Workspace | None = None, report: Report | None = None,
    ) -> Self:  # fmt: skip
        """Train as `fit` does, with progress reports, and checkpoints from which a killed training resumes."""
        return self.fit(train, validation)

    def prepare(self) -> None:  # noqa: B027
        """Do what is needed once on a machine before the first `fit`, such as compiling kernels; it is never timed."""

    @classmethod
    def parts(cls, settings: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
        """Return the models, each with its settings, that such a model combines; each is fitted on its own, once."""
        return []

    @classmethod
    def built_on(cls, settings: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
        """Return the registered models, each with its settings, that such a model runs: part of its identity."""
        return cls.parts(settings)

    def combine(self, parts: Sequence[LanguageModel], validation: Sequences | None = None) -> Self:
        """Do what `fit` does with ``parts`` that are fitted already."""
        raise NotImplementedError

    # gene types

    @classmethod
    def with_types(cls, settings: dict[str, Any], types: Sequence[str]) -> tuple[str, dict[str, Any]]:
        """Return a model, with its settings, that extends this one: it can be conditioned on each of ``types``."""
        return "conditional", {"model": cls.name, "settings": settings, "types": list(types)}

    @classmethod
    def uses_types(cls, settings: dict[str, Any]) -> bool:
        """Return whether a model with these settings needs the types of its training genes."""
        return False

    @property
    def types(self) -> tuple[str, ...]:
        """Gene types that the model can be conditioned on: see `of_type`."""
        return ()

    def of_type(self, name: str) -> LanguageModel:
        """Return the model of genes of this type alone; ModelError naming the known types for an unknown one."""
        self._check_type(name)
        raise NotImplementedError

    def _check_type(self, name: str) -> None:
        if not self.types:
            raise ModelError(f"{self.name}: was trained without gene types; train it with --by-type")
        if name not in self.types:
            known = {known.lower(): known for known in self.types}
            near = difflib.get_close_matches(name.lower(), known, 1)
            hint = f"; did you mean {known[near[0]]!r}?" if near else ""
            raise ModelError(f"{self.name}: unknown gene type {name!r}{hint} (known: {', '.join(self.types)})")

    def update(self, sequences: Sequences) -> Self:
        """Add genes to counts or to the index of training genes; all tuned values are kept."""
        raise ModelError(
            f"{self.name}: cannot take more genes after training (as --add-validation and --prequential ask)"
        )

    # what follows

    def log_probs(self, sequences: Sequences) -> list[np.ndarray]:
        """Log-probability of each true symbol, end included: one array a sequence, shape (length + 1,), nats."""
        encoded = encode(sequences)
        return [_true(rows, encoded.with_end(i)) for i, rows in enumerate(self.log_distributions(encoded))]

    def all_log_probs(self, sequences: Sequences) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Return what `log_probs` and `nucleotide_log_probs` return, from one pass."""
        encoded = encode(sequences)
        rows = self.log_distributions(encoded)
        return (
            [_true(row, encoded.with_end(i)) for i, row in enumerate(rows)],
            [_true(_renormalised(row[:-1, :-1]), encoded[i]) for i, row in enumerate(rows)],
        )

    def nucleotide_log_distributions(self, sequences: Sequences) -> list[np.ndarray]:
        """Log-probabilities renormalised over A C G T before each nucleotide: shape (length, 4), nats."""
        return [_renormalised(rows[:-1, :-1]) for rows in self.log_distributions(sequences)]

    def nucleotide_log_probs(self, sequences: Sequences) -> list[np.ndarray]:
        """Log-probability of each nucleotide, renormalised over A C G T: shape (length,), nats."""
        encoded = encode(sequences)
        return [_true(rows, encoded[i]) for i, rows in enumerate(self.nucleotide_log_distributions(encoded))]

    def entropies(self, sequences: Sequences) -> list[np.ndarray]:
        """Entropy of the nucleotide distribution before each nucleotide: shape (length,), nats."""
        result = []
        for rows in self.nucleotide_log_distributions(sequences):
            p = np.exp(rows)
            result.append(-np.where(p > 0, p * np.where(p > 0, rows, 0), 0).sum(axis=1))
        return result

    def embed(self, sequences: Sequences) -> np.ndarray:
        """Return an embedding of each sequence, float64, shape (sequences, size), as features for classifiers."""
        return residuals(self, sequences)

    # sampling: the prefix itself is the state unless a model has a smaller one

    def _start(self, prefixes: list[np.ndarray]) -> Any:
        """State of n sequences after their prefixes (arrays of codes)."""
        return prefixes

    def _next(self, state: Any) -> np.ndarray:
        """Log-probabilities of the next symbol for each of the n sequences, shape (n, 5)."""
        return np.stack([rows[-1] for rows in self.log_distributions([decode(prefix) for prefix in state])])

    def _advance(self, state: Any, symbols: np.ndarray, alive: np.ndarray) -> Any:
        """State of the sequences ``alive`` (indices) after one more nucleotide each (``symbols``, 0..3)."""
        return [np.append(state[i], symbol) for i, symbol in zip(alive, symbols, strict=True)]

    def sample(
        self,
        n: int,
        *,
        seed: int = 0,
        max_length: int = 1000,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float = 1.0,
        prefix: str = "",
        lengths: Sequence[int] | None = None,
    ) -> list[str]:
        """Draw ``n`` sequences, deterministic for a seed.

        Parameters
        ----------
        max_length : int
            Longest sequence in nt; one that has not ended by then is cut there.
        temperature : float
            Log-probabilities are divided by it: below 1 less varied, above 1 more varied.
        top_k, top_p
            Draw only from the k most probable symbols, or from the fewest whose probabilities sum to ``top_p``.
        prefix : str
            Nucleotides that each sequence starts with; part of what is returned.
        lengths : sequence of int, optional
            Length in nt of each of the n sequences; END is then never drawn.

        Returns
        -------
        n strings over A C G T, prefix included; empty ones where END is drawn first.
        """
        options = {"temperature": temperature, "top_k": top_k, "top_p": top_p, "prefix": prefix, "lengths": lengths}
        return draw(self, n, seed=seed, max_length=max_length, **options)

    # saving: a JSON header and plain arrays; loading runs no code from the files

    def save(self, folder: str | os.PathLike) -> Path:
        """Write the model to ``folder``, completely or not at all; an older model there is replaced."""
        folder = check_folder(folder)
        header = {"format": FORMAT, "model": self.name, "settings": self.settings.model_dump(mode="json")}
        if self.notes:
            header["notes"] = self.notes
        with atomic_dir(folder) as half:
            self._write_arrays(half, self._arrays())
            (half / "model.json").write_text(json.dumps(header, indent=1) + "\n")
        return folder

    @classmethod
    def load(cls, folder: str | os.PathLike) -> Self:
        """Read a model that `save` wrote; ModelError if the folder holds no model of this class."""
        folder = Path(folder)
        header = read_header(folder)
        if header["model"] != cls.name:
            raise ModelError(f"{folder}: holds a {header['model']!r} model, not {cls.name!r}")
        model = cls(header["settings"])
        model.notes = header["notes"]
        try:
            model._restore(model._read_arrays(folder))
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise ModelError(
                f"{folder}/{cls.arrays_file}: damaged or not a saved {cls.name} ({error}); train again"
            ) from error
        return model

    arrays_file: ClassVar[str] = "arrays.npz"

    def _write_arrays(self, folder: Path, arrays: dict[str, np.ndarray]) -> None:
        np.savez_compressed(folder / self.arrays_file, **arrays)

    def _read_arrays(self, folder: Path) -> dict[str, np.ndarray]:
        """Arrays of a saved model; OSError or ValueError where the file is damaged."""
        with np.load(folder / self.arrays_file, allow_pickle=False) as arrays:
            return dict(arrays)


def check_folder(folder: str | os.PathLike) -> Path:
    """Return the path if a model can be saved there: nothing, an empty folder, or an older model; else ModelError."""
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise ModelError(f"{folder}: exists and is no folder; name another one")
    if folder.exists() and not (folder / "model.json").exists() and any(folder.iterdir()):
        raise ModelError(f"{folder}: exists and is no model folder; name another one")
    return folder


def read_header(folder: Path) -> dict[str, Any]:
    """Header of a saved model; ModelError when there is none."""
    try:
        header = json.loads((folder / "model.json").read_text())
        if header["format"] > FORMAT:
            raise ModelError(f"{folder}: saved by a newer dnastudy (format {header['format']}); update dnastudy")
        notes = dict(header.get("notes", {}))
        return {"model": str(header["model"]), "settings": dict(header["settings"]), "notes": notes}
    except FileNotFoundError:
        raise ModelError(f"{folder}: no model there (no model.json); make one with `dnastudy train`") from None
    except (json.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        if isinstance(error, ModelError):
            raise
        raise ModelError(f"{folder}/model.json: not a model header ({error})") from error


def _true(rows: np.ndarray, symbols: np.ndarray) -> np.ndarray:
    """The entry of each row that belongs to the symbol that came, shape (rows,)."""
    return rows[np.arange(len(rows)), symbols]


def _renormalised(log_p: np.ndarray) -> np.ndarray:
    """Rows of log-probabilities made to sum to 1, shape kept; a row without any probability stays -inf."""
    top = log_p.max(axis=-1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        total = top + np.log(np.exp(log_p - top).sum(axis=-1, keepdims=True))
        return np.where(np.isfinite(top), log_p - total, -np.inf)
