"""Figures that are sums of terms: what such a model is, and the JSON files that hold several of it.

A term is a count of something that is really there; its coefficient, never negative, is what one of
them costs.  `array_terms` and `shell_terms` say which terms a figure has, `term_fit` finds the
coefficients.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import numpy as np
import pydantic
from numpy.typing import NDArray

from hw.atomic_file import write_atomically

from .errors import ModelError
from .model_file import OWN_MODELS, SHIPPED_MODELS, check_library_name

__all__ = [
    "STRICT", "Counts", "FigureModel", "Floats", "Term", "UnseenError", "find_terms", "load_terms",
    "predicted", "save_terms",
]  # fmt: skip

Floats = NDArray[np.float64]
Counts = Mapping[str, Floats]
Term = Callable[[Counts], Any]
STRICT = pydantic.ConfigDict(extra="forbid", allow_inf_nan=False)
File = TypeVar("File")


@dataclass(frozen=True, slots=True, kw_only=True)
class UnseenError:
    """Relative errors on hardware that a fit has not seen."""

    __pydantic_config__: ClassVar = STRICT
    arrays: int
    """How much of it."""
    mean: float
    """Mean absolute relative error (0.01 is 1 %)."""
    max: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FigureModel:
    """One figure: what each of its terms costs."""

    __pydantic_config__: ClassVar = STRICT
    coefficients: dict[str, float]
    """Unit of the figure per count of the term, never negative."""
    training_rows: int
    held_out: UnseenError

    def __post_init__(self) -> None:
        if any(value < 0 for value in self.coefficients.values()):
            raise ValueError("coefficients must not be negative")


def predicted(terms: Mapping[str, Term], counts: Counts, coefficients: Mapping[str, float]) -> Any:
    """Return a figure, of the shape of the counts."""
    parts = [value * terms[term](counts) for term, value in coefficients.items() if value > 0]
    return sum(parts, np.zeros_like(next(iter(counts.values()))))


def find_terms(what: str, library: str) -> Path | None:
    """Return the user's own file of a library, or else the shipped one; None without either.

    `what` is `arrays` or `shells`.
    """
    check_library_name(library)
    paths = (folder / f"{what}-{library}.json" for folder in (OWN_MODELS, SHIPPED_MODELS))
    return next((path for path in paths if path.is_file()), None)


def load_terms(path: Path, file: type[File], command: str) -> File:
    """Return a validated file; `ModelError` names the path, what is wrong, and what makes it."""
    try:
        return pydantic.TypeAdapter(file).validate_json(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise ModelError(f"cannot read model file {str(path)!r}: {reason}") from None
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise ModelError(
            f"{path}: malformed model file: {where}: {first['msg']}; fit it again with `{command}`"
        ) from None


def save_terms(model: Any, path: Path) -> None:
    """Write a file in one step: either the old or the new content is there, never a part."""
    text = json.dumps(asdict(model), indent=1, sort_keys=True, allow_nan=False) + "\n"
    write_atomically(path, text)
