"""The overhead of arrays: the fit on shipped rows, what it knows of unseen arrays, vectorised."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from characterize.array_schema import load_arrays, row_config
from hw.config import PEConfig
from models import fit_arrays as command
from models.array_overhead import GROUP, ArrayOverhead, load_array_file
from models.array_terms import AREA_PARTS, TERMS, array_counts
from models.errors import ModelError
from models.fit_arrays import fit_arrays
from models.model_file import SHIPPED_MODELS
from models.term_model import save_terms

LIBRARIES = sorted(
    path.stem.removeprefix("arrays-") for path in SHIPPED_MODELS.glob("arrays-*.json")
)
INT16 = PEConfig(pe_type="int16")


def test_the_literature_s_library_is_shipped() -> None:
    assert "nangate45" in LIBRARIES


@pytest.fixture(scope="module", params=LIBRARIES)
def shipped(request: pytest.FixtureRequest) -> ArrayOverhead:
    return ArrayOverhead(load_array_file(SHIPPED_MODELS / f"arrays-{request.param}.json"))


def test_the_shipped_fit_is_that_of_the_shipped_rows(shipped: ArrayOverhead) -> None:
    again = fit_arrays(load_arrays(shipped.model.library), seed=shipped.model.seed)
    assert again.datapoints_digest == shipped.model.datapoints_digest
    for name, figure in shipped.model.groups[GROUP].items():
        assert figure.coefficients == pytest.approx(
            again.groups[GROUP][name].coefficients, rel=1e-6, abs=1e-9
        )


def test_unseen_arrays_are_predicted_within_15_percent(shipped: ArrayOverhead) -> None:
    checks = shipped.model.checks
    assert checks["held out"].arrays >= 3
    assert checks["larger than all fitted"].arrays >= 3
    for name in ("held out", "larger than all fitted"):
        assert checks[name].max <= 0.15, name


def test_errors_stored_are_those_of_the_coefficients(shipped: ArrayOverhead) -> None:
    table = load_arrays(shipped.model.library)
    table = table[table["form"] == "parts"]
    errors = []
    for row in table.to_dict("records"):
        array = row_config({str(name): value for name, value in row.items()})
        made = shipped.figures(
            array.pe, array.rows, array.cols, array.filter_lanes, array.ifmap_lanes
        )
        assert bool(made.in_range)
        errors.append(abs(float(made.area_um2) / row["overhead_um2"] - 1))
    stored = shipped.model.checks["held out"]
    assert max(errors) >= stored.max - 1e-4
    assert np.mean(errors) <= 0.05


def test_coefficients_that_made_the_rows_are_found_again() -> None:
    rng = np.random.default_rng(3)
    known = {name: {term: rng.uniform(1, 2) for term in terms} for name, terms in TERMS.items()}
    rows = []
    for index in range(80):
        sizes = dict(zip(("rows", "cols"), rng.integers(2, 9, 2).tolist(), strict=True))
        lanes = rng.choice([1, 2, 4, 8], 2).tolist()
        sizes |= dict(zip(("filter_lanes", "ifmap_lanes"), lanes, strict=True))
        pe = PEConfig(
            pe_type=str(rng.choice(["int16", "int8", "lightpe1", "bf16"])),
            psum_spad=int(rng.integers(2, 64)),
            filter_spad=2,
            ifmap_spad=2,
        )
        counts = array_counts(pe, **sizes)
        made = {
            name: float(sum(v * TERMS[name][term](counts) for term, v in terms.items()))
            for name, terms in known.items()
        }
        made["critical_path_ns"] = made.pop("overhead_path_ns")
        rows.append(
            {
                "key": f"{index:04}", "status": "ok", "form": "parts", "library": "toy",
                "library_digest": "0", "method": "activity", "pe_type": pe.pe_type,
                "ifmap_spad": 2, "filter_spad": 2, "psum_spad": pe.psum_spad,
                "psum_width": pe.psum_width, "saturating": 0, "psum_depth": pe.psum_depth,
                "pipeline_depth": pe.depth, "seconds": 1.0, "pe_critical_path_ns": 0.1,
                "overhead_um2": sum(made[f"area_{part}_um2"] for part in AREA_PARTS),
                **sizes, **made,
            }
        )  # fmt: skip
    model = fit_arrays(pd.DataFrame(rows))
    for name in ("held out", "larger than all fitted"):
        assert model.checks[name].max < 1e-6
    for figure in model.groups[GROUP].values():
        assert figure.held_out.max < 1e-6


def test_many_arrays_at_once_are_what_they_are_one_by_one(shipped: ArrayOverhead) -> None:
    rng = np.random.default_rng(1)
    rows, cols = rng.integers(1, 33, (2, 100_000))
    lanes = rng.choice([1, 2, 4, 8], (2, 100_000))
    made = shipped.figures(INT16, rows, cols, *lanes)
    assert made.area_um2.shape == (100_000,)
    for index in (0, 1, 99_999):
        one = shipped.figures(INT16, rows[index], cols[index], *lanes[:, index])
        assert made.area_um2[index] == pytest.approx(float(one.area_um2))
        assert made.leakage_uw[index] == pytest.approx(float(one.leakage_uw))
        word = made.ifmap_word_pj(rows_reached=3, takers=2)
        assert word[index] == pytest.approx(float(one.ifmap_word_pj(3, 2)))
    largest = (rows == 32) & (cols == 32)
    assert not made.in_range[largest].any()


def test_figures_grow_with_what_they_count(shipped: ArrayOverhead) -> None:
    small, wide, long = (shipped.figures(INT16, *size, 2, 2) for size in ((4, 4), (4, 8), (8, 4)))
    for other in (wide, long):
        assert other.area_um2 > 1.8 * small.area_um2
        assert other.leakage_uw > small.leakage_uw
        assert other.idle_pj_per_cycle > small.idle_pj_per_cycle
        assert other.psum_hop_pj == pytest.approx(small.psum_hop_pj)
    lanes = shipped.figures(INT16, 4, 4, 8, 8)
    assert lanes.area_um2 > small.area_um2
    assert small.filter_word_pj(2, 4) > small.filter_word_pj(1, 4) > small.filter_word_pj(1, 1) > 0
    byte = shipped.figures(PEConfig(pe_type="int8"), 4, 4, 2, 2)
    assert byte.area_um2 < small.area_um2
    assert byte.psum_hop_pj < small.psum_hop_pj


def test_wrong_questions_are_refused(shipped: ArrayOverhead, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cols must be at least 1, not 0"):
        shipped.figures(INT16, 4, np.array([0, 4]))
    with pytest.raises(ModelError, match="no fitted array overhead for library 'none'"):
        ArrayOverhead.load("none")
    path = tmp_path / "arrays-x.json"
    save_terms(shipped.model, path)
    assert load_array_file(path) == shipped.model
    content = json.loads(path.read_text())
    content["groups"]["array"]["idle_pj"]["coefficients"]["magic"] = 1.0
    path.write_text(json.dumps(content))
    with pytest.raises(ModelError, match="idle_pj must have no term 'magic'"):
        load_array_file(path)


def test_too_few_arrays_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    few = load_arrays("nangate45").head(3)
    few.to_csv(tmp_path / "few.csv", index=False)
    arguments = ["--library", "nangate45", "--data", str(tmp_path / "few.csv")]
    assert command.main(arguments) == 1
    assert "needs at least 12 arrays in parts" in capsys.readouterr().err


def test_the_command_fits_what_is_shipped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "fit.json"
    assert command.main(["--library", "nangate45", "-o", str(path)]) == 0
    said = capsys.readouterr().out
    assert "larger than all fitted" in said and "psum_hop_pj" in said
    assert load_array_file(path).library == "nangate45"
