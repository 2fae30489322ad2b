"""Commands that evaluate models on tasks: `task NAME` for each registered task, `mutations`, `quality`."""

from __future__ import annotations

from collections.abc import Callable
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from typer.core import TyperGroup

from dnastudy.cli.options import (
    GeneType,
    Json,
    Replicates,
    Trained,
    command,
    parse_pairs,
    read,
    setting_list,
)
from dnastudy.core.errors import SettingsError
from dnastudy.display.terminal import emit, say
from dnastudy.models import DEFAULT

if TYPE_CHECKING:
    import pandas as pd

app = typer.Typer()


class TaskGroup(TyperGroup):
    """One command for each registered task, made when it is needed: tasks are slow to import."""

    def list_commands(self, ctx: typer.Context) -> list[str]:
        """Names of the registered tasks."""
        from dnastudy.tasks import TASKS

        return list(TASKS)

    def get_command(self, ctx: typer.Context, cmd_name: str):
        """Command of this task; a usage error that names the tasks if there is none."""
        if cmd_name not in self.list_commands(ctx):
            ctx.fail(f"there is no task {cmd_name!r}; the tasks are {', '.join(self.list_commands(ctx))}")
        program = typer.Typer(rich_markup_mode="markdown", add_completion=False)
        command(program, cmd_name)(_task_command(cmd_name))
        return typer.main.get_command(program)


task = typer.Typer(cls=TaskGroup, no_args_is_help=True, help="Evaluate a trained model on a task.")
app.add_typer(task, name="task")


def _task_command(name: str) -> Callable:
    """Function of the command of a task, its help written from the task's class and settings."""
    from dnastudy.tasks import task_class

    cls = task_class(name)

    def evaluate_on_task(
        model: Trained = DEFAULT,
        data: Annotated[
            str, typer.Option(help="Folder with train.csv, validation.csv and test.csv, or one gene file to split.")
        ] = "",
        train: Annotated[
            list[Path] | None, typer.Option(help="Training genes of the model; in place of --data.")
        ] = None,
        validation: Annotated[
            Path | None, typer.Option(help="Genes to tune on, which the model was not trained on.")
        ] = None,
        test: Annotated[Path | None, typer.Option(help="Test genes; in place of --data.")] = None,
        set: Annotated[
            list[str] | None, typer.Option(help="Settings of the task, as key=value (listed above).")
        ] = None,
        reference: Annotated[
            bool, typer.Option("--reference", help="Also the rows that need no model, from real and shuffled genes.")
        ] = False,
        as_json: Json = False,
    ) -> None:
        from dnastudy import models
        from dnastudy.data.datasets import load_dataset
        from dnastudy.experiments.one_off import own_dataset, run_task

        created = cls(parse_pairs("--set", set))
        if bool(data) == bool(train or test or validation) or not (data or (train and test)):
            raise SettingsError("name the genes with --data FOLDER, or with --train and --test (and --validation)")
        fitted = models.load(model)
        tables = (read(paths) if paths else None for paths in (train, validation, test))
        dataset = load_dataset(data) if data else own_dataset(*tables)
        say(f"evaluate {model} on {name}: {len(dataset.test):,} test genes")
        result = run_task(created, fitted, dataset, reference=reference)
        _show_task(name, model, created.settings.model_dump(mode="json"), result, as_json)

    settings = "\n".join(
        f"- `{key}={field['default']}`: {field['about']}" for key, field in setting_list(cls.Settings).items()
    )
    evaluate_on_task.__doc__ = f"""{(cls.__doc__ or "").strip()}

Settings (`--set key=value`):

{settings}

Genes are those of a folder (--data), or gene files (--train, --validation, --test). Results by gene type need a model
that was trained with --by-type.

For example:

    dnastudy task {name} --model models/ngram8 --data parts --json
"""
    return evaluate_on_task


def _show_task(name: str, model: str, settings: dict, result: dict, as_json: bool) -> None:
    """Print the tables of a task."""
    tables = {key: result[key] for key in ("tables", "reference") if key in result}
    if as_json:
        rows = {key: {title: _rows(table) for title, table in part.items()} for key, part in tables.items()}
        emit({"task": name, "model": model, "settings": settings, "facts": result["facts"], **rows}, True)
        return
    for key, part in tables.items():
        for title, table in part.items():
            if not table.empty:
                print(f"{title}{' (no model)' if key == 'reference' else ''}\n{table.to_string(index=False)}\n")


def _rows(table: pd.DataFrame) -> list[dict]:
    """Rows of a table, missing values as None."""
    return table.astype(object).where(table.notna(), None).to_dict("records")


@command(app)
def mutations(
    pairs: Annotated[Path, typer.Argument(help="CSV of pairs: NCBIGeneID (or id), real and mutated sequence.")],
    model: Trained = DEFAULT,
    validation: Annotated[
        Path | None,
        typer.Option(help="Genes that the model was not trained on: pairs made from them calibrate a further rule."),
    ] = None,
    replicates: Replicates = 1000,
    as_json: Json = False,
) -> None:
    """Find the real sequence of each pair with a model, and report the accuracy of each rule.

    Rules: the lower perplexity; the higher probability; the higher likelihood ratio against the uniform model; and,
    with --validation, a rule calibrated on both strands. Ties count as wrong. `dnastudy data mutate` makes pairs;
    `dnastudy task mutation-detection` makes them from test genes.

    For example:

        dnastudy mutations pairs.csv --model lstm --json

        dnastudy mutations pairs.csv --model models/expert --validation validation.csv
    """
    from dnastudy import models
    from dnastudy.data.mutation_pairs import read_pairs
    from dnastudy.experiments.one_off import pair_accuracy

    table = read_pairs(pairs)
    calibration = read(validation) if validation else None
    fitted = models.load(model)
    if calibration is not None:
        if shared := len({*calibration["sequence"]} & {*table["real"]}):
            say(f"{shared} of the validation sequences are also among the real ones: the calibrated rule is too good")
        say(f"calibrate on pairs made from {len(calibration):,} genes")
    say(f"score {len(table):,} pairs")
    measured = pair_accuracy(fitted, table, calibration, replicates)
    by_rule = measured.table.groupby("rule", sort=False)
    if as_json:
        facts = {"model": model, "pairs": measured.pairs, "genes": measured.genes, "weights": measured.weights}
        facts["rules"] = {
            rule: {
                **_accuracy(part.iloc[0]),
                "by_kind": {row["kind"]: _accuracy(row) for _, row in part.iloc[1:].iterrows()},
            }
            for rule, part in by_rule
        }
        emit(facts, True)
        return
    width = measured.table["kind"].str.len().max()
    print(f"{'pairs':<{width}}  {'number':>6}  " + "  ".join(f"{rule:<21}" for rule, _ in by_rule))
    for kind, part in measured.table.groupby("kind", sort=False):
        cells = (f"{row.accuracy:.3f} ({row.low:.3f}-{row.high:.3f})" for row in part.itertuples())
        print(f"{kind:<{width}}  {part['n'].iloc[0]:>6}  " + "  ".join(f"{cell:<21}" for cell in cells))


def _accuracy(row: pd.Series) -> dict[str, object]:
    return {"pairs": int(row["n"]), "accuracy": float(row["accuracy"]), "interval": [row["low"], row["high"]]}


@command(app)
def quality(
    genes: Annotated[Path, typer.Argument(help="Generated genes: FASTA or CSV, from any model.")],
    real: Annotated[Path, typer.Option(help="Real genes that the model was not trained on.")],
    train: Annotated[Path | None, typer.Option(help="Training genes of the model: how many were copied?")] = None,
    type: GeneType = "",
    set: Annotated[
        list[str] | None,
        typer.Option(help="Settings as key=value (see `dnastudy task generation-quality --help`)."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Compare generated genes with real ones: k-mers, composition, classifiers, similarity to training genes.

    The real genes are halved at random. Generated genes are compared with one half, and so are the other half as it is
    and shuffled (pairs of neighbours kept). Columns and rows:

    - AUC: area under the ROC curve of a classifier of real against generated genes, for genes of families that it has
      not seen; 0.5: not distinguished, 1: always distinguished.
    - copies: 95 % identical to a training gene over 90 % of their length.
    - families per gene: 1 where no two genes of the set are homologs.
    - distance: of the two distributions, Kolmogorov-Smirnov, 0 to 1.
    - orf: longest open reading frame, nt; low complexity: score of DUST; empty: genes without a nucleotide.

    Intervals (95 %) are over genes. --type keeps real genes of one type. All three classifiers take minutes.

    For example:

        dnastudy quality generated.fa --real test.csv --train train.csv

        dnastudy quality generated.fa --real test.csv --set genes=200 --set "classifiers=[linear on k-mers]" --json
    """
    from dnastudy.display.tables import with_interval
    from dnastudy.experiments.one_off import compare_generated
    from dnastudy.tasks.generation_quality import GenerationQuality

    settings = parse_pairs("--set", set)
    if "temperatures" in settings:
        raise SettingsError("--set temperatures: these genes are generated already (`dnastudy generate --temperature`)")
    created = GenerationQuality(settings)
    generated, known = read(genes), read(real)
    training = read(train) if train else None
    if type:
        known = known[known["type"] == type]
    for others, what in ((generated, "generated"), (training, "training")):
        if others is not None and (shared := known["sequence"].isin(others["sequence"]).sum()):
            say(f"{shared} of the {len(known)} real genes are among the {what} genes: they are not new to the model")
    say(f"compare {len(generated):,} generated genes with {len(known):,} real genes")
    table = compare_generated(created, str(genes), generated, known, training)
    if as_json:
        rows = {
            name: {
                row.measure: {"value": row.value, "interval": None if isnan(row.low) else [row.low, row.high]}
                for row in part.itertuples()
            }
            for name, part in table.groupby("set", sort=False)
        }
        facts = {"real": str(real), "train": train and str(train), "settings": created.settings.model_dump()}
        emit({**facts, "sets": rows}, True)
        return
    texts = table.assign(text=with_interval(table, "value", 3))
    cells = texts.pivot_table(index="measure", columns="set", values="text", aggfunc="first", sort=False)
    print(cells.fillna("").rename_axis(None).rename_axis(None, axis=1).to_string())
