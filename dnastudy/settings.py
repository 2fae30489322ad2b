"""Typed settings of models, trainings and profiles: what is wrong with them is said by name."""

from __future__ import annotations

import difflib
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from dnastudy.errors import ModelError


class Settings(BaseModel):
    """Base of all settings: unknown keys and wrong types are errors, nothing changes after creation."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, validate_default=True)

    @classmethod
    def parse(cls, given: dict[str, Any], what: str) -> Self:
        """Check ``given`` and return settings; ModelError names each bad key and the known ones."""
        try:
            return cls(**given)
        except ValidationError as error:
            lines = []
            for problem in error.errors():
                key = ".".join(map(str, problem["loc"])) or what
                if problem["type"] == "extra_forbidden":
                    near = difflib.get_close_matches(key, cls.model_fields, 1)
                    lines.append(f"unknown setting {key!r}" + (f"; did you mean {near[0]!r}?" if near else ""))
                else:
                    message = problem["msg"].removeprefix("Value error, ")
                    lines.append(message if key == what else f"setting {key!r}: {message}, got {problem['input']!r}")
            known = "; ".join(f"{k} ({f.description})" if f.description else k for k, f in cls.model_fields.items())
            raise ModelError(f"{what}: {'; '.join(lines)}. Known settings: {known or 'none'}") from None
