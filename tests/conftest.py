"""Options of the whole suite."""

from __future__ import annotations

import pytest

from hw.errors import nearest
from hw.pe.registry import PE_TYPES


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--pe", default=None, help="simulate this PE type only")
    parser.addoption("--fail-on-skip", action="store_true", help="a skipped test is a failure")


def pytest_configure(config: pytest.Config) -> None:
    name = config.getoption("--pe")
    if name is not None and name not in PE_TYPES:
        raise pytest.UsageError(f"--pe must be {nearest(name, PE_TYPES)}, not {name!r}")


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = reporter.stats.get("skipped", []) if reporter else []
    if session.config.getoption("--fail-on-skip") and skipped and exitstatus == 0:
        reporter.write_line(f"{len(skipped)} skipped tests count as failures here", red=True)
        session.exitstatus = 1
