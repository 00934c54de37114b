"""The model file of one library: JSON text that is validated completely when it is loaded.

The same fits give the same bytes (sorted keys, floats by `repr`); nothing in it is executed.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar

import pydantic

from hw.atomic_file import write_atomically

from .errors import ModelError
from .targets import FEATURES, FITTED_TARGETS, MACRO_TARGET, TOTALS, VARIABLES

__all__ = [
    "OWN_MODELS", "SCHEMA_VERSION", "SHIPPED_MODELS", "Error", "GroupModel", "ModelFile",
    "TargetModel", "TotalModel", "check_library_name", "find_model_file", "load_model_file",
    "save_model_file",
]  # fmt: skip

SCHEMA_VERSION = 2
"""2: energies of taps and of psums that leave."""
_ROOT = Path(__file__).resolve().parents[1]
OWN_MODELS = _ROOT / "build" / "models"
"""Where `models.fit` writes by default; searched first."""
SHIPPED_MODELS = _ROOT / "models" / "fitted"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_STRICT = pydantic.ConfigDict(extra="forbid", allow_inf_nan=False)
_KINDS = ("flipflop", "latch", "macro")


def _require(condition: bool, text: str) -> None:
    if not condition:
        raise ValueError(text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Error:
    """Relative errors on points that no fit and no cross-validation has seen."""

    __pydantic_config__: ClassVar = _STRICT
    points: int
    mape: float
    """Mean absolute relative error (0.01 is 1 %)."""
    max: float
    coverage: float
    """Share of the points inside the 95 % interval."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetModel:
    """The polynomial of one target over a group's scaled variables."""

    __pydantic_config__: ClassVar = _STRICT
    variables: str
    """Name of the variable set that cross-validation chose."""
    degree: int
    ridge: float
    terms: tuple[tuple[int, ...], ...]
    """Exponents of the group's variables, one tuple per coefficient."""
    coefficients: tuple[float, ...]
    intercept: float
    floor: float
    """Lowest value a prediction may take (half the smallest training value if positive)."""
    cv_mape: float
    cv_scores: dict[str, float]
    interval_95: float
    held_out: Error

    def __post_init__(self) -> None:
        _require(len(self.terms) == len(self.coefficients), "terms and coefficients must match")
        _require(all(0 <= e <= 3 for t in self.terms for e in t), "exponents must be 0 to 3")
        _require(self.interval_95 >= 0, "interval_95 must not be negative")


@dataclass(frozen=True, slots=True, kw_only=True)
class TotalModel:
    """Errors of a total, which is predicted as the sum of its parts."""

    __pydantic_config__: ClassVar = _STRICT
    cv_mape: float
    interval_95: float
    held_out: Error


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupModel:
    """All polynomials of one PE type, triple of scratchpad kinds and pipeline depth."""

    __pydantic_config__: ClassVar = _STRICT
    pe_type: str
    kinds: tuple[str, str, str]
    """Kinds of the ifmap, filter and psum scratchpad."""
    pipeline_depth: int
    training_points: int
    held_out_points: int
    low: dict[str, float]
    """Smallest training value of each feature."""
    high: dict[str, float]
    variables: tuple[str, ...]
    """Varying variables, in the order of the exponents."""
    centre: tuple[float, ...]
    half: tuple[float, ...]
    """A scaled variable is (value - centre) / half, from -1 to 1 in the training range."""
    targets: dict[str, TargetModel]
    totals: dict[str, TotalModel]

    def __post_init__(self) -> None:
        _require(all(kind in _KINDS for kind in self.kinds), f"kinds must be of {_KINDS}")
        for name in ("low", "high"):
            _require(set(getattr(self, name)) == set(FEATURES), f"{name} must name all features")
        _require(all(self.low[f] <= self.high[f] for f in FEATURES), "low must not exceed high")
        _require(all(v in VARIABLES for v in self.variables), f"variables must be of {VARIABLES}")
        width = len(self.variables)
        _require(
            width == len(self.centre) == len(self.half), "centre and half must match variables"
        )
        _require(all(half > 0 for half in self.half), "half must be positive")
        wanted = {t for t in FITTED_TARGETS if t != MACRO_TARGET or "macro" in self.kinds}
        _require(set(self.targets) == wanted, f"targets must be {sorted(wanted)}")
        _require(set(self.totals) == set(TOTALS), f"totals must be {sorted(TOTALS)}")
        for name, target in self.targets.items():
            match = all(len(term) == width for term in target.terms)
            _require(match, f"{name}: an exponent for each of {width} variables is needed")

    @property
    def key(self) -> tuple[str, tuple[str, str, str], int]:
        """What identifies the group inside its library."""
        return (self.pe_type, self.kinds, self.pipeline_depth)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFile:
    """Everything that is known about the fits of one library."""

    __pydantic_config__: ClassVar = _STRICT
    schema_version: int
    library: str
    library_digest: str
    method: str
    """How the datapoints were measured: `activity` or `simulated`."""
    datapoints_digest: str
    seed: int
    datapoints: int
    measuring_seconds: float
    """Time spent measuring the datapoints used (fitted and held out)."""
    groups: tuple[GroupModel, ...]
    held_out: dict[str, dict[str, Error]]
    """Held-out error per PE type and target over all its groups."""
    left_out: tuple[str, ...]
    """Groups with too few points for a fit, in words."""

    def __post_init__(self) -> None:
        _require(
            self.schema_version == SCHEMA_VERSION,
            f"schema_version must be {SCHEMA_VERSION}, not {self.schema_version}",
        )
        keys = [group.key for group in self.groups]
        _require(len(keys) > 0 and len(set(keys)) == len(keys), "groups must be distinct and exist")


_ADAPTER = pydantic.TypeAdapter(ModelFile)


def load_model_file(path: str | Path) -> ModelFile:
    """Return a validated model file; `ModelError` names the path and what is wrong."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise ModelError(f"cannot read model file {str(path)!r}: {reason}") from None
    try:
        return _ADAPTER.validate_json(text)
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise ModelError(
            f"{path}: malformed model file: {where}: {first['msg']}; fit it again with "
            "`python -m models.fit`"
        ) from None


def save_model_file(model: ModelFile, path: str | Path) -> None:
    """Write the file in one step: either the old or the new content is there, never a part."""
    text = json.dumps(asdict(model), indent=1, sort_keys=True, allow_nan=False) + "\n"
    write_atomically(Path(path), text)


def check_library_name(library: object) -> str:
    """Return the name if it can name a file, else raise `ModelError`."""
    if not isinstance(library, str) or not _NAME.fullmatch(library) or ".." in library:
        raise ModelError(
            "library must be a name of letters, digits, '_', '-' and '.' (at most 64 "
            f"characters), not {library!r}"
        )
    return library


def find_model_file(library: str) -> Path:
    """Return the model file of a library: the user's own fits first, then the shipped ones."""
    check_library_name(library)
    for folder in (OWN_MODELS, SHIPPED_MODELS):
        if (path := folder / f"{library}.json").is_file():
            return path
    existing = sorted({p.stem for f in (OWN_MODELS, SHIPPED_MODELS) for p in f.glob("*.json")})
    raise ModelError(
        f"no fitted models for library {library!r} (there are: {', '.join(existing) or 'none'}); "
        f"make them with `make characterize PE=<type> LIBRARY={library}` and "
        f"`python -m models.fit --library {library}`"
    )
