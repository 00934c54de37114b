"""Shells fitted: the fit on shipped rows, what it knows of unseen shells, vectorised."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from characterize.shell_schema import load_shells, shell_columns, shell_config
from hw.accelerator_config import HardwareConfig
from hw.config import AcceleratorConfig, PEConfig
from models import fit_shells as command
from models.errors import ModelError
from models.fit_shells import fit_shells
from models.model_file import SHIPPED_MODELS
from models.shell_overhead import ShellModel, load_shell_file
from models.shell_terms import SHELL_PARTS, SHELL_TERMS, shell_counts
from models.term_model import predicted, save_terms

LIBRARIES = sorted(
    path.stem.removeprefix("shells-") for path in SHIPPED_MODELS.glob("shells-*.json")
)
INT16 = PEConfig(pe_type="int16")
SIZES = {
    "rows": 12, "cols": 14, "row_bits": 128, "off_chip_bits": 64, "banks": 25, "psum_queue": 24,
    "memory_latency": 1, "filter_lanes": 4, "ifmap_lanes": 4,
}  # fmt: skip


def sizes_of(config: HardwareConfig) -> dict[str, Any]:
    return {
        "rows": config.design.rows,
        "cols": config.design.cols,
        "row_bits": config.row_bits,
        "off_chip_bits": config.off_chip_bits,
        "banks": config.banks,
        "psum_queue": config.queue_psums,
        "memory_latency": config.memory_latency,
        "filter_lanes": config.array.filter_lanes,
        "ifmap_lanes": config.array.ifmap_lanes,
    }


@pytest.fixture(scope="module", params=LIBRARIES)
def shipped(request: pytest.FixtureRequest) -> ShellModel:
    return ShellModel(load_shell_file(SHIPPED_MODELS / f"shells-{request.param}.json"))


def test_the_literature_s_library_is_shipped() -> None:
    assert "nangate45" in LIBRARIES


def test_counts_are_those_of_the_hardware() -> None:
    for port, beat, cols, queue in itertools.product((8, 16, 64), (4, 8), (1, 3, 14), (2, 7, 40)):
        design = AcceleratorConfig(pe=INT16, cols=cols, glb_bytes_per_cycle=port)
        config = HardwareConfig(design=design, off_chip_bytes=beat, psum_queue=queue)
        counts = shell_counts(INT16, **sizes_of(config))
        assert counts["leaving"] == config.leaving_psums
        assert counts["words"] == config.psums_per_row
        assert counts["filter_beats"] == config.filter_beats_per_row
        assert counts["ifmap_beats"] == config.ifmap_beats_per_row
        assert counts["address"] == (config.banks * config.bank_rows - 1).bit_length()


def test_the_shipped_fit_is_that_of_the_shipped_rows(shipped: ShellModel) -> None:
    again = fit_shells(load_shells(shipped.model.library))
    assert again.datapoints_digest == shipped.model.datapoints_digest
    for name, figure in shipped.model.figures.items():
        assert figure.coefficients == pytest.approx(
            again.figures[name].coefficients, rel=1e-6, abs=1e-9
        )


def test_unseen_shells_are_predicted_within_15_percent(shipped: ShellModel) -> None:
    error = shipped.model.checks["each from the others"]
    assert error.arrays >= 6
    assert error.mean <= 0.15


def test_seen_shells_are_predicted(shipped: ShellModel) -> None:
    table = load_shells(shipped.model.library)
    for row in table[table["form"] == "parts"].to_dict("records"):
        config = shell_config({str(name): value for name, value in row.items()})
        made = shipped.figures(config.design.pe, **sizes_of(config))
        assert bool(made.in_range)
        assert float(made.area_um2) == pytest.approx(row["area_um2"], rel=0.15)
        assert float(made.leakage_uw) == pytest.approx(row["leakage_uw"], rel=0.2)


def test_coefficients_that_made_the_rows_are_found_again() -> None:
    rng = np.random.default_rng(3)
    known = {n: {term: rng.uniform(1, 2) for term in terms} for n, terms in SHELL_TERMS.items()}
    rows = []
    for index in range(120):
        pe_type = str(rng.choice(["int16", "int8", "lightpe1", "bf16", "posit8"]))
        config = HardwareConfig(
            design=AcceleratorConfig(
                pe=PEConfig(pe_type=pe_type),
                rows=int(rng.integers(1, 16)),
                cols=int(rng.integers(1, 16)),
                glb_kib=int(rng.integers(4, 60)) * 4,
                glb_bytes_per_cycle=int(rng.choice([8, 16, 32])),
            ),
            off_chip_bytes=int(rng.choice([2, 4, 8])),
            memory_latency=int(rng.integers(1, 4)),
            psum_queue=int(rng.integers(2, 40)),
        )
        counts = shell_counts(config.design.pe, **sizes_of(config))
        made = {n: float(predicted(SHELL_TERMS[n], counts, known[n])) for n in SHELL_TERMS}
        made["area_um2"] = sum(made[f"area_{part}_um2"] for part in SHELL_PARTS)
        rows.append(
            {"key": f"{index:04}", "status": "ok", "library": "toy",
             "form": "flat" if index % 3 == 0 else "parts",
             "library_digest": "0", "method": "activity", "seconds": 1.0}
            | shell_columns(config) | made
        )  # fmt: skip
    model = fit_shells(pd.DataFrame(rows))
    for name in ("each from the others", "more than 4 columns from fewer"):
        assert model.checks[name].max < 1e-6
    for figure in model.figures.values():
        assert figure.held_out.max < 1e-6


def test_many_shells_at_once_are_what_they_are_one_by_one(shipped: ShellModel) -> None:
    rng = np.random.default_rng(1)
    count = 10_000
    many = SIZES | {
        "cols": rng.integers(1, 33, count),
        "banks": rng.integers(2, 256, count),
        "psum_queue": rng.integers(2, 65, count),
        "row_bits": 8 * rng.choice([8, 16, 32, 64], count),
    }
    made = shipped.figures(INT16, **many)
    assert made.area_um2.shape == made.in_range.shape == (count,)
    for index in (0, 1, count - 1):
        one = shipped.figures(
            INT16, **{name: np.asarray(v)[index] if np.ndim(v) else v for name, v in many.items()}
        )
        for name in ("area_um2", "leakage_uw", "psum_enter_pj", "critical_path_ns"):
            assert getattr(made, name)[index] == pytest.approx(float(getattr(one, name)))
    assert np.allclose(shipped.critical_path_ns(INT16, **many), made.critical_path_ns)


def test_figures_grow_with_what_they_count(shipped: ShellModel) -> None:
    one = shipped.figures(INT16, **SIZES)
    for name, value in (("cols", 28), ("psum_queue", 48), ("row_bits", 256), ("banks", 50)):
        other = shipped.figures(INT16, **(SIZES | {name: value}))
        assert other.area_um2 > one.area_um2, name
        assert other.leakage_uw > one.leakage_uw, name
    byte = shipped.figures(PEConfig(pe_type="int8"), **SIZES)
    assert byte.area_um2 < one.area_um2
    no_codes = shipped.figures(PEConfig(pe_type="posit8"), **SIZES)
    assert no_codes.requantize_pj == 0


def test_wrong_questions_are_refused(shipped: ShellModel, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="banks must be at least 1, not 0"):
        shipped.figures(INT16, **(SIZES | {"banks": np.array([0, 4])}))
    with pytest.raises(ModelError, match="no fitted shells for library 'none'"):
        ShellModel.load("none")
    path = tmp_path / "shells-x.json"
    save_terms(shipped.model, path)
    assert load_shell_file(path) == shipped.model
    content = json.loads(path.read_text())
    content["figures"]["idle_pj"]["coefficients"]["magic"] = 1.0
    path.write_text(json.dumps(content))
    with pytest.raises(ModelError, match="idle_pj must have no term 'magic'"):
        load_shell_file(path)


def test_too_few_shells_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    load_shells("nangate45").head(3).to_csv(tmp_path / "few.csv", index=False)
    arguments = ["--library", "nangate45", "--data", str(tmp_path / "few.csv")]
    assert command.main(arguments) == 1
    assert "needs at least" in capsys.readouterr().err


def test_the_command_fits_what_is_shipped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "fit.json"
    assert command.main(["--library", "nangate45", "-o", str(path)]) == 0
    said = capsys.readouterr().out
    assert "each from the others" in said and "psum_enter_pj" in said
    assert load_shell_file(path).library == "nangate45"
