"""Typed settings of models, trainings and profiles; an error names each wrong setting."""

from __future__ import annotations

import difflib
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from dnastudy.core.errors import SettingsError


class Settings(BaseModel):
    """Base class of all settings: unknown keys and wrong types are errors, and a created object cannot change."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, validate_default=True)

    @classmethod
    def parse(cls, values: dict[str, Any], owner: str) -> Self:
        """Check ``values`` and return settings.

        Parameters
        ----------
        values : dict
            Settings by name.
        owner : str
            What they are settings of, for messages: "lstm", "profile quick.yaml".

        Raises
        ------
        SettingsError
            Naming each wrong setting, and the known ones where a name is unknown.
        """
        try:
            return cls(**values)
        except ValidationError as error:
            complaints, unknown = [], False
            for problem in error.errors():
                key = ".".join(map(str, problem["loc"])) or owner
                if problem["type"] == "extra_forbidden":
                    unknown = True
                    near = difflib.get_close_matches(key, cls.model_fields, 1)
                    complaints.append(f"unknown setting {key!r}" + (f" (did you mean {near[0]!r}?)" if near else ""))
                    continue
                message = problem["msg"].removeprefix("Value error, ").replace("Input should be", "should be")
                field = cls.model_fields.get(str(problem["loc"][0])) if problem["loc"] else None
                about = f" ({field.description})" if field and field.description else ""
                complaints.append(
                    message if key == owner else f"setting {key!r}{about} {message}, not {problem['input']!r}"
                )
            known = f". Known settings: {', '.join(cls.model_fields) or 'none'}" if unknown else ""
            raise SettingsError(f"{owner}: {'; '.join(complaints)}{known}") from None
