"""The base of all specifications, and the types that they share."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from adamct.theory.domain import decay


class Frozen(BaseModel):
    """Base of all specs: immutable, no unknown keys, no infinities or NaNs."""

    # Strict: a seed of true or "3" is a mistake, not 1 or 3. Sequences come from YAML as lists, and
    # paths as strings, so those fields alone say Lax.
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, strict=True)

    @classmethod
    def descendants(cls) -> Iterator[type[Frozen]]:
        """Iterate over all specs that derive from this one."""
        for child in cls.__subclasses__():
            yield child
            yield from child.descendants()


Lax = Field(strict=False)


def _checked(name: str, value: float) -> float:
    return float(decay(name, value))


Beta = Annotated[float, AfterValidator(partial(_checked, "beta"))]
Gamma = Annotated[float, AfterValidator(partial(_checked, "gamma"))]
Pair = Annotated[tuple[Beta, Gamma], Lax]
