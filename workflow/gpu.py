"""Train the networks of a profile side by side on one GPU, until a deadline: python workflow/gpu.py --help.

Each run is a process of its own; small networks leave a GPU idle, so several share it. Whatever is unfinished at the
deadline leaves its checkpoint in the store, and the next call goes on. Needs torch, lightning-fabric, numpy, pandas,
scipy, safetensors, pydantic, filelock, pyyaml and typer, no notebooks. Finished records and models are copied to OUT
as they come, so that nothing is lost when the machine is.

    DNASTUDY_DATA=../shared/data python workflow/gpu.py --minutes 9 --parallel 6 --out results/gpu
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from dnastudy.experiments.curve_plan import grid
from dnastudy.experiments.identity import run_id
from dnastudy.experiments.plan import Run, model_runs, trial_runs
from dnastudy.experiments.profile import Profile, load_profile
from dnastudy.experiments.store import STORE_VARIABLE, Store


def wanted(profile: Profile, names: list[str]) -> list[Run]:
    """The runs of these names (all networks if none is named), seeds of the models first, learning curves last."""
    # a network is trained by a recipe, and nothing else is
    known = {run.name: run for run in [*model_runs(profile), *trial_runs(profile), *grid(profile)] if run.recipe}
    if unknown := set(names) - set(known):
        raise SystemExit(f"unknown runs {sorted(unknown)}; known: {', '.join(known)}")
    return [known[name] for name in names] if names else list(known.values())


def bring(run: Run, profile: Profile, store: Store, out: Path) -> None:
    """Copy a finished run's facts and scores, and its model, to ``out``."""
    result = store.get(run, profile.dataset())
    target = out / run.name
    target.mkdir(parents=True, exist_ok=True)
    for name in ("facts.json", "scores.csv"):
        shutil.copy(result.folder / name, target / name)
    shutil.copytree(store.root / "fits" / result.record["fit"], target / "fit", dirs_exist_ok=True)


def main() -> None:
    """Run what the profile wants until the deadline; what was stopped goes on with the next call."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--profile", default="gpu")
    parser.add_argument("--minutes", type=float, default=9.0, help="deadline")
    parser.add_argument("--parallel", type=int, default=6, help="runs at a time")
    parser.add_argument("--out", type=Path, default=Path("results") / "gpu")
    parser.add_argument("runs", nargs="*", help="names of runs; default: all networks of the profile")
    given = parser.parse_args()
    deadline = time.monotonic() + 60 * given.minutes
    profile, store = load_profile(given.profile), Store()
    dataset = profile.dataset()
    waiting, going, failed = wanted(profile, given.runs), {}, []
    given.out.mkdir(parents=True, exist_ok=True)
    threads = str(max(1, (os.cpu_count() or 1) // given.parallel))
    environment = {**os.environ, "OMP_NUM_THREADS": threads, STORE_VARIABLE: str(store.root)}
    while (waiting or going) and time.monotonic() < deadline:
        while waiting and len(going) < given.parallel:
            run = waiting.pop(0)
            command = [sys.executable, "-m", "dnastudy", "job", "run", str(given.out / f"{run.name}.jsonl"), run.name]
            log = (given.out / f"{run.name}.log").open("w")
            command += ["--profile", given.profile]
            going[run.name] = run, subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env=environment)
            print(f"{run.name}: started ({run_id(run, store.genes(run, dataset))})", flush=True)
        for name, (run, process) in list(going.items()):
            if process.poll() is None:
                continue
            del going[name]
            if process.returncode:
                failed.append(name)
                print(f"{name}: failed, see {given.out / f'{name}.log'}", flush=True)
            else:
                bring(run, profile, store, given.out)
                perplexity = store.get(run, dataset).metrics["nucleotide_perplexity"]
                print(f"{name}: {perplexity:.4f}", flush=True)
        time.sleep(0.5)
    for name, (_, process) in going.items():
        process.kill()
        process.wait()
        print(f"{name}: stopped at the deadline; the next call goes on from its checkpoint", flush=True)
    if waiting:
        print(f"not started: {', '.join(run.name for run in waiting)}", flush=True)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
