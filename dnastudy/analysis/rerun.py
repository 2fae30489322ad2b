"""The chapter on how to rerun the study: parameters of all chapters, settings of all profiles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
from pydantic import BaseModel

from dnastudy.display.tables import Table, table
from dnastudy.experiments.profile import Profile, load_profile

PROFILES = ("quick", "cpu", "gpu")


def parameters_table(chapters: Mapping[str, type[BaseModel]]) -> Table:
    """Parameters of each chapter with their types and defaults.

    Parameters
    ----------
    chapters : mapping
        Name of each chapter to the schema of its parameters.
    """
    rows = [
        {"chapter": name, "parameter": key, "type": field.annotation.__name__, "default": repr(field.default)}
        for name, schema in chapters.items()
        for key, field in schema.model_fields.items()
    ]
    return table(pd.DataFrame(rows), "Chapters and their parameters")


def profiles_table(names: Sequence[str] = PROFILES) -> Table:
    """Settings of these profiles with their meaning; no folder of genes is that which DNASTUDY_DATA names."""
    profiles = {name: load_profile(name) for name in names}
    rows = [
        {
            "setting": key,
            "meaning": field.description,
            **{name: str(getattr(profile, key)) or "DNASTUDY_DATA" for name, profile in profiles.items()},
        }
        for key, field in Profile.model_fields.items()
    ]
    return table(pd.DataFrame(rows), "Settings of the profiles")
