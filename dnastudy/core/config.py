"""Typed settings of models, trainings and profiles: what is wrong with them is said by name."""

from __future__ import annotations

import difflib
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from dnastudy.core.errors import ModelError


class Settings(BaseModel):
    """Base of all settings: unknown keys and wrong types are errors, nothing changes after creation."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, validate_default=True)

    @classmethod
    def parse(cls, given: dict[str, Any], what: str) -> Self:
        """Check ``given`` and return settings; ModelError names each bad key and the known ones."""
        try:
            return cls(**given)
        except ValidationError as error:
            lines, unknown = [], False
            for problem in error.errors():
                key = ".".join(map(str, problem["loc"])) or what
                if problem["type"] == "extra_forbidden":
                    unknown = True
                    near = difflib.get_close_matches(key, cls.model_fields, 1)
                    lines.append(f"unknown setting {key!r}" + (f" (did you mean {near[0]!r}?)" if near else ""))
                    continue
                message = problem["msg"].removeprefix("Value error, ").replace("Input should be", "should be")
                field = cls.model_fields.get(str(problem["loc"][0])) if problem["loc"] else None
                about = f" ({field.description})" if field and field.description else ""
                lines.append(message if key == what else f"setting {key!r}{about} {message}, not {problem['input']!r}")
            known = f". Known settings: {', '.join(cls.model_fields) or 'none'}" if unknown else ""
            raise ModelError(f"{what}: {'; '.join(lines)}{known}") from None
