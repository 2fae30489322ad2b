"""Errors that a user can correct; the command line prints each as one message, without a traceback.

A message says what is wrong, where, and what to do about it.
"""

from __future__ import annotations


class StudyError(Exception):
    """Base class of the errors below."""


class SettingsError(StudyError, ValueError):
    """A setting, option, parameter or profile that is unknown, of the wrong type, or contradicts another one."""


class DataError(StudyError, ValueError):
    """Genes or other data that are missing, malformed or unsuitable; the message names file, record and position."""


class FetchError(StudyError, RuntimeError):
    """A download that failed for good; the message names the address, what happened and what to do."""


class HomologyError(StudyError, RuntimeError):
    """An external aligner (MMseqs2, BLAST+) that failed, with the last lines it printed."""


class ModelError(StudyError, ValueError):
    """A model that cannot be made, trained, saved, loaded or used as requested."""


class TrainingError(ModelError):
    """A training that cannot go on; the message says at which step, why, and which setting to change.

    Attributes
    ----------
    genes : list of int
        Indices of the training genes in the batch where it happened; empty where that does not matter.
    """

    def __init__(self, message: str, genes: list[int] | None = None):
        super().__init__(message)
        self.genes = genes or []

    def named(self, ids: list[str]) -> TrainingError:
        """Return the same error with the ids of the batch's genes added to its message."""
        if not self.genes:
            return self
        shown = ", ".join(ids[i] for i in self.genes[:20])
        more = f" and {len(self.genes) - 20} more" if len(self.genes) > 20 else ""
        return TrainingError(f"{self}. Genes of that batch: {shown}{more}", self.genes)


class ChapterError(StudyError, RuntimeError):
    """A chapter that cannot be found or run; the message names the chapter and the cell."""


class ParameterError(SettingsError):
    """A chapter parameter that is unknown, of the wrong type or out of range."""


class BookError(StudyError, RuntimeError):
    """A book that cannot be built, or was built with warnings."""


class PublicationError(StudyError, RuntimeError):
    """Published records, or the generated parts of the README, that are missing or cannot be written."""
