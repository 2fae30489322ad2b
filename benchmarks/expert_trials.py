"""What was tried for the expert model and left out, on the study's genes.

    python benchmarks/expert_trials.py --data FOLDER [--write]

Each trial is set beside the default model on the same test genes: the other strand's genes in the same counts, a gate
that goes on learning within each gene, and a last stage that corrects the probabilities by what came before in the same
gene (adaptive probability maps, as in PAQ). Rates are chosen on the validation genes. ``--write`` stores
results/expert_trials.json.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numba
import numpy as np
import pandas as pd

from dnastudy.core.atomic import atomic_write
from dnastudy.core.provenance import surroundings, to_json
from dnastudy.data.datasets import load_dataset
from dnastudy.data.sequences import EncodedSequences, encode, reverse_complement
from dnastudy.evaluation import metrics, scoring
from dnastudy.models import create

RECORD = Path(__file__).parents[1] / "results" / "expert_trials.json"
WEIGHT_RATES = [0.0001, 0.0003, 0.001, 0.003]
MAP_RATES = [0.002, 0.005, 0.02, 0.05]


@numba.njit(fastmath=True)
def adaptive(experts, weights, symbols, starts, weight_rate, map_rate, out):
    """Nats of each nucleotide when weights, or corrections by the last two nucleotides, follow the gene."""
    for gene in range(len(starts) - 1):
        drift = np.zeros(experts.shape[1])
        corrections = np.zeros((16, 4))
        context = 0
        for i in range(starts[gene], starts[gene + 1] - 1):
            logits = corrections[context].copy()
            for e in range(experts.shape[1]):
                for s in range(4):
                    logits[s] += (weights[i, e] + drift[e]) * experts[i, e, s]
            p = np.exp(logits - logits.max())
            p /= p.sum()
            out[i] = np.log(p[symbols[i]])
            for e in range(experts.shape[1]):
                mean = 0.0
                for s in range(4):
                    mean += p[s] * experts[i, e, s]
                drift[e] += weight_rate * (experts[i, e, symbols[i]] - mean)
            for s in range(4):
                corrections[context, s] += map_rate * ((1.0 if s == symbols[i] else 0.0) - p[s])
            context = (context * 4 + symbols[i]) % 16


def gated(model, encoded: EncodedSequences) -> tuple[np.ndarray, np.ndarray]:
    """What the experts say, and the weights the gate gives them."""
    experts, facts, _ = model._runner().gate_inputs(encoded)
    hidden = np.maximum(facts @ model.gate.inputs + model.gate.hidden, 0)
    return experts, hidden @ model.gate.outputs + model.gate.bias


def nats_by_gene(nats: np.ndarray, encoded: EncodedSequences) -> np.ndarray:
    """Sum over the nucleotides of each gene."""
    return np.add.reduceat(nats, encoded.starts[:-1])


def main() -> None:
    """Run the trials and print their differences to the default model."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="simulated", help="genes: a folder, a file, or 'simulated'")
    parser.add_argument("--write", action="store_true", help="store the record")
    given = parser.parse_args()
    dataset = load_dataset(given.data)
    train, validation, test = (list(dataset.splits[name]["sequence"]) for name in ("train", "validation", "test"))
    model = create("expert").fit(train, validation)
    default = scoring.score(model, dataset.test)

    def table(nats: np.ndarray) -> pd.DataFrame:
        return default.assign(nucleotide_log_prob=nats)

    tables = {}
    forward_only = create("expert", {"experts": ["context", "copy", "own"]}).fit(
        train + [reverse_complement(gene) for gene in train], validation
    )
    tables["both strands in the same counts"] = scoring.score(forward_only, dataset.test)
    one_strand = scoring.score(
        create("expert", {"experts": ["context", "copy", "own"]}).fit(train, validation), dataset.test
    )
    parts = {name: encode(genes) for name, genes in (("validation", validation), ("test", test))}
    said = {name: gated(model, encoded) for name, encoded in parts.items()}

    def follow(part: str, weight_rate: float, map_rate: float) -> np.ndarray:
        encoded = parts[part]
        nats = np.zeros(len(encoded.symbols))
        adaptive(*said[part], encoded.symbols, encoded.starts, weight_rate, map_rate, nats)
        return nats_by_gene(nats, encoded)

    chosen = {}
    for name, rates in (("weights that follow the gene", WEIGHT_RATES), ("adaptive probability maps", MAP_RATES)):
        options = [(rate, 0.0) if rates is WEIGHT_RATES else (0.0, rate) for rate in rates]
        best = max(options, key=lambda option: follow("validation", *option).sum())
        chosen[name] = max(best)
        tables[name] = table(follow("test", *best))
    rows = []
    for name, scores in tables.items():
        against = one_strand if name.startswith("both") else default
        difference = metrics.paired_difference(scores, against)
        beside = "without the other strand" if against is one_strand else "the default"
        perplexity = metrics.nucleotide_perplexity(scores)
        rows.append(
            {"trial": name, "rate": chosen.get(name), "beside": beside}
            | {"nucleotide_perplexity": perplexity, **difference}
        )
        print(f"{name}: {difference['bits_per_base']:+.4f} bits per base, {difference['interval']}")
    record = {"data": dataset.description, "trials": rows, **surroundings()}
    if given.write:
        atomic_write(RECORD, to_json(record))


if __name__ == "__main__":
    main()
