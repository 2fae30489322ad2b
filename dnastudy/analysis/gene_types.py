"""The part of the chapter on generated genes that is about their types: recognised, and used for training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import altair as alt
import pandas as pd

from dnastudy.analysis.task_tables import task_table
from dnastudy.display.charts import family_scale, loose
from dnastudy.display.tables import markdown, table, with_interval
from dnastudy.experiments.profile import Profile
from dnastudy.experiments.task_runs import REFERENCE, TaskRun, create_task
from dnastudy.tasks.classifiers import BASELINES
from dnastudy.tasks.generation_quality import REAL, SHUFFLED

RECOVERED, TRAINED_ON_GENERATED, TRAINED_ON_BOTH = "recovered", "train on generated", "train on real and generated"
QUESTIONS = {
    RECOVERED: "recovery: macro-recall of generated genes",
    TRAINED_ON_GENERATED: "train on generated, test on real genes: macro-F1",
    TRAINED_ON_BOTH: "train on all real and generated, test on real genes: macro-F1",
}
"""Questions to each model in words, in the order of the panels."""
OF_MODELS = ("linear on its embeddings", "Bayes by its probabilities")
"""Ways in which a language model itself classifies genes."""


@dataclass(frozen=True)
class GeneTypes:
    """What the chapter shows of gene types.

    Every table, chart and text is empty where the genes have fewer than two types with enough genes.
    """

    profile: Profile
    records: Mapping[str, Mapping[str, Any]]
    task_runs: Mapping[str, TaskRun]

    @cached_property
    def settings(self) -> Any:
        """Settings of the task in this profile."""
        return create_task("gene-types", self.profile).settings

    @cached_property
    def types(self) -> list[str]:
        """The types that are classified."""
        return self.task_runs[REFERENCE].record["types"]

    @cached_property
    def several(self) -> bool:
        """Whether there are types to distinguish."""
        return len(self.types) > 1

    @cached_property
    def scores(self) -> pd.DataFrame:
        """The task's scores of all models."""
        return task_table(self.task_runs, self.records, "scores")

    @cached_property
    def confusion(self) -> pd.DataFrame:
        """The task's confusion matrices of all models."""
        return task_table(self.task_runs, self.records, "confusion")

    # how well types can be recognised at all

    @cached_property
    def of_real_genes(self) -> pd.DataFrame:
        """Scores of all classifiers of real genes, the best first."""
        rows = self.scores[self.scores["what"].isin([*BASELINES, *OF_MODELS])]
        return rows.sort_values("macro_f1", ascending=False)

    def classifiers_table(self) -> Any:
        """How well each classifier recognises the types of real genes."""
        if not self.several:
            return markdown(
                "These genes have no types to distinguish, or too few of them: the rest of this page has nothing to "
                "show."
            )
        rows = self.of_real_genes
        shown = pd.DataFrame(
            {
                "classifier": list(map(_classifier, rows.itertuples())),
                "trained on": list(map(_training_genes, rows.itertuples())),
                "test genes": rows["n"],
                "macro-F1 (95 %)": _with_interval(rows, "macro_f1"),
                "accuracy (95 %)": _with_interval(rows, "accuracy"),
            }
        )
        return table(
            shown,
            f"Types of real test genes, {len(self.types)} types. Linear on the embeddings: a linear classifier on what "
            "a frozen model makes of a gene (networks: mean hidden state; others: by how much each nucleotide was "
            "unexpected, averaged by the two before it). Bayes: the type under which the model finds the gene most "
            "probable, times the share of the type",
        )

    @cached_property
    def baseline(self) -> str:
        """The best classifier that needs no language model."""
        return self.of_real_genes.loc[self.of_real_genes["run"] == REFERENCE, "what"].iloc[0]

    @cached_property
    def baseline_confusion(self) -> pd.DataFrame:
        """The confusion matrix of `baseline`, with the ``share`` of each type."""
        rows = self.confusion[(self.confusion["run"] == REFERENCE) & (self.confusion["what"] == self.baseline)]
        return rows.assign(share=rows["n"] / rows.groupby("type")["n"].transform("sum"))

    def confusion_chart(self) -> Any:
        """The confusion matrix of the best classifier that needs no language model."""
        if not self.several:
            return markdown("")
        grid = alt.Chart(self.baseline_confusion[["type", "predicted", "n", "share"]]).encode(
            x=alt.X("predicted:N", sort=self.types, title="classified as", axis=alt.Axis(labelAngle=-40)),
            y=alt.Y("type:N", sort=self.types, title="is"),
        )
        squares = grid.mark_rect().encode(
            color=alt.Color(
                "share:Q",
                title="share of the type",
                scale=alt.Scale(scheme="blues", domain=[0, 1]),
                legend=alt.Legend(format="%"),
            )
        )
        numbers = grid.mark_text(fontSize=11).encode(
            text=alt.Text("n:Q", format=","),
            color=alt.condition(alt.datum.share > 0.5, alt.value("white"), alt.value("black")),
            tooltip=["type", "predicted", "n", alt.Tooltip("share", format=".1%")],
        )
        return loose(
            alt.layer(squares, numbers).properties(
                width=460,
                height=alt.Step(28),
                description=f"Confusion matrix of {self.baseline} on real test genes: rows are the types, columns what "
                "they are classified as.",
            )
        )

    def confusion_text(self) -> Any:
        """The best and the worst recognised type, and the most frequent confusion."""
        if not self.several:
            return markdown("")
        matrix = self.baseline_confusion
        totals = matrix.groupby("type")["n"].sum()
        right = matrix["type"] == matrix["predicted"]
        recall = matrix[right].set_index("type")["share"].reindex(self.types).fillna(0)
        wrong = matrix[~right].nlargest(1, "share").iloc[0]
        macro_f1 = self.of_real_genes.set_index("what")["macro_f1"]
        best, worst = recall.idxmax(), recall.idxmin()
        return markdown(
            f"Of the classifiers that need no language model the best is {self.baseline}, with a macro-F1 of "
            f"{macro_f1[self.baseline]:.3f}: its confusion matrix is the chart. It recognises {recall[best]:.0%} of "
            f"{best} ({totals[best]:,} test genes) and {recall[worst]:.0%} of {worst} ({totals[worst]:,}); most often "
            f"{wrong['type']} is classified as {wrong['predicted']} ({wrong['n']:,} of {totals[wrong['type']]:,})."
        )

    # generated genes

    @cached_property
    def answers(self) -> pd.DataFrame:
        """The answer to each of `QUESTIONS` for each model and for real and shuffled genes in its place.

        Returns
        -------
        DataFrame: ``label``, ``family``, ``what``, ``question``, ``n`` (genes); ``share``, the mean over types, with
        ``low`` and ``high``. Recall of generated genes, whose types have other shares than those of real ones; F1 of
        real genes.
        """
        references = {
            f"recovered: {REAL}": (REAL, RECOVERED),
            "recovered: shuffled": (SHUFFLED, RECOVERED),
            "train on as many real genes": (REAL, TRAINED_ON_GENERATED),
            self.settings.judge: (REAL, TRAINED_ON_BOTH),
        }
        rows = []
        for row in self.scores.to_dict("records"):
            label, what = row["label"], row["what"]
            if row["run"] == REFERENCE:
                label, what = references.get(what, (label, ""))
            if what not in QUESTIONS:
                continue
            score = "macro_recall" if what == RECOVERED else "macro_f1"
            figures = {name: row[f"{score}{end}"] for name, end in (("share", ""), ("low", "_low"), ("high", "_high"))}
            known = {name: row[name] for name in ("family", "what", "n")}
            rows.append({"label": label, **known, "question": QUESTIONS[what], **figures})
        return pd.DataFrame(rows)[["label", "family", "what", "question", "n", "share", "low", "high"]]

    @cached_property
    def order(self) -> list[str]:
        """Labels from the best to the worst recovered."""
        recovered = self.answers[self.answers["question"] == QUESTIONS[RECOVERED]]
        return recovered.sort_values("share", ascending=False)["label"].tolist()

    @cached_property
    def recovered(self) -> pd.DataFrame:
        """``share``, ``low`` and ``high`` of recovery by label; no rows where there is nothing to recover."""
        return self._answer(RECOVERED) if self.several else pd.DataFrame(columns=["share", "low", "high"])

    def _answer(self, what: str) -> pd.DataFrame:
        return self.answers.set_index(["question", "label"])[["share", "low", "high"]].loc[QUESTIONS[what]]

    @cached_property
    def recovered_of_models(self) -> pd.Series:
        """Recovery by the label of the model, without real and shuffled genes."""
        return self.recovered["share"].drop([REAL, SHUFFLED], errors="ignore")

    def answers_chart(self) -> Any:
        """The answers of all models, a panel a question."""
        if not self.several:
            return markdown("")
        families = list(dict.fromkeys(self.answers["family"]))
        base = alt.Chart(self.answers).encode(
            y=alt.Y("label:N", sort=self.order, title=None, axis=alt.Axis(labelLimit=230))
        )
        bars = base.mark_rule(strokeWidth=2).encode(x="low:Q", x2="high:Q", **family_scale("family", "bar", families))
        points = base.mark_point().encode(
            x=alt.X("share:Q", title="mean over types", scale=alt.Scale(domainMin=0)),
            tooltip=["label", "question", "n", alt.Tooltip("share", format=".3f", title="mean over types")],
            **family_scale("family", "point", families),
        )
        return loose(
            alt.layer(bars, points)
            .properties(width=420)
            .facet(facet=alt.Facet("question:N", title=None, sort=list(QUESTIONS.values())), columns=1)
            .resolve_scale(y="independent")
            .properties(
                description="How well gene types are recognised, mean over types, for each model: of generated genes "
                "by a classifier of real ones; of real genes by a classifier trained on generated ones, and by one "
                "trained on both. Real and shuffled real genes are shown beside them."
            )
        )

    def answers_table(self) -> Any:
        """The answers of all models, a column a question."""
        if not self.several:
            return markdown("")
        cells = self.answers.assign(text=with_interval(self.answers, "share", 3)).pivot_table(
            index="label", columns="question", values="text", aggfunc="first"
        )
        cells = cells.reindex(index=self.order, columns=list(QUESTIONS.values())).fillna("")
        return table(
            cells.rename_axis(index="genes of", columns=None).reset_index(),
            "How well gene types are recognised, means over types (95 % over genes); recall by guessing: "
            f"{1 / len(self.types):.3f}",
        )

    def answers_text(self) -> Any:
        """How well the types of generated genes are recognised, and what training on them achieves."""
        if not self.several:
            return markdown("")
        text = [*self._recovery_sentences(), *self._training_sentences()]
        return markdown(" ".join(text))

    def _recovery_sentences(self) -> list[str]:
        recovered, models = self.recovered, self.recovered_of_models
        text = [
            f"Of generated genes a classifier recognises at most {models.max():.0%} ({models.idxmax()}) and at least "
            f"{recovered['share'].min():.0%} ({recovered['share'].idxmin()}); guessing would be "
            f"{1 / len(self.types):.0%}."
        ]
        if {REAL, SHUFFLED} <= set(recovered.index):
            real, mixed = recovered.loc[REAL, "share"], recovered.loc[SHUFFLED, "share"]
            text.append(
                f"Of real genes it was not trained on it recognises {real:.0%}, and {mixed:.0%} once they are "
                "shuffled: so much of a type is length and pairs of neighbours."
            )
            if models.max() < mixed:
                text.append("No model's genes are recognised as often as those.")
        guess = next((record["label"] for record in self.records.values() if record["group"] == "uniform"), None)
        if guess in recovered.index:
            text.append(
                "The uniform model, which is given only the lengths of the genes of each type, comes to "
                f"{recovered.loc[guess, 'share']:.0%}: lengths alone."
            )
            alike = recovered.index[(recovered["low"] <= recovered.loc[guess, "high"]) & (recovered.index != guess)]
            if len(alike):
                text.append(f"Within its interval: {'; '.join(alike)}.")
        return text

    def _training_sentences(self) -> list[str]:
        generated, both = self._answer(TRAINED_ON_GENERATED), self._answer(TRAINED_ON_BOTH)
        models = generated["share"].drop(REAL)
        text = [
            f"A classifier trained on generated genes alone has a macro-F1 of {models.max():.3f} on real ones at best "
            f"({models.idxmax()}), one trained on as many real genes {generated.loc[REAL, 'share']:.3f}."
        ]
        if REAL in both.index:
            alone, added = both.loc[REAL], both.drop(REAL)
            better = added.index[added["share"] > alone["high"]]
            text.append(
                f"Added to all real training genes, generated ones move it from {alone['share']:.3f} "
                f"({alone['low']:.3f} to {alone['high']:.3f}) to between {added['share'].min():.3f} and "
                f"{added['share'].max():.3f}: "
                + (
                    f"better, beyond that interval, with those of {'; '.join(better)}."
                    if len(better)
                    else "nowhere better beyond that interval."
                )
            )
        return text

    def types_table(self) -> Any:
        """The share of the genes of each type that is recognised, by model."""
        if not self.several:
            return markdown("")
        shares = recall_by_type(self.confusion)
        labels = [REAL, *(record["label"] for record in self.records.values())]
        columns = [label for label in labels if label in shares]
        return table(
            shares.reindex(index=self.types, columns=columns).fillna(0.0).rename_axis(columns=None).reset_index(),
            f"Share of the genes of each type that is recognised: real validation genes, and {self.settings.genes} "
            "genes of each model",
            dict.fromkeys(columns, ".0%"),
        )


def recall_by_type(confusion: pd.DataFrame) -> pd.DataFrame:
    """Share of the generated genes of each type that is recognised, and of real genes: types by labels.

    Parameters
    ----------
    confusion : DataFrame
        Confusion matrices, as `task_table` returns them.
    """
    rows = confusion[confusion["what"].isin([RECOVERED, f"recovered: {REAL}"])]
    rows = rows.assign(label=rows["label"].where(rows["run"] != REFERENCE, REAL))
    rows = rows.assign(share=rows["n"] / rows.groupby(["run", "what", "type"])["n"].transform("sum"))
    right = rows[rows["type"] == rows["predicted"]]
    return right.pivot_table(index="type", columns="label", values="share", sort=False)


def _classifier(row: Any) -> str:
    return row.what if row.run == REFERENCE else f"{row.what.replace('its', 'the')} of {row.label}"


def _training_genes(row: Any) -> str:
    if row.run == REFERENCE:
        return "training genes"
    return "validation genes" if "linear" in row.what else "training genes, with the model"


def _with_interval(rows: pd.DataFrame, score: str) -> pd.Series:
    return with_interval(rows.assign(low=rows[f"{score}_low"], high=rows[f"{score}_high"]), score, 3)
