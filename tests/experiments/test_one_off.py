"""Trainings that belong to no study."""

import pytest
from helpers import gene_frame, random_sequences

from dnastudy.core.errors import TrainingError
from dnastudy.experiments import one_off
from dnastudy.training.log import LOG, Workspace

GENES = gene_frame(random_sequences(60, seed=3, low=20, high=60))
HELD_OUT = gene_frame(random_sequences(20, seed=4, low=20, high=60), "v")
TINY = {"embedding_size": 8, "hidden_size": 8, "epochs": 1, "batch_tokens": 400, "kmer_size": 1}


def test_a_training_is_resumed_with_the_same_genes_and_settings_only(tmp_path):
    def log_after(genes, **changes):
        one_off.fit("lstm", {**TINY, **changes}, genes, HELD_OUT, workspace=Workspace(tmp_path))
        return (tmp_path / LOG).read_text()

    first = log_after(GENES)
    assert log_after(GENES) == first, "a finished training resumes from its last checkpoint: no further step"
    others = gene_frame(random_sequences(60, seed=5, low=20, high=60))
    for genes, changes in ((others, {}), (GENES, {"seed": 2})):
        with pytest.raises(TrainingError, match="other genes, settings or code"):
            log_after(genes, **changes)
