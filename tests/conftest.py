"""Options of the whole suite."""

from __future__ import annotations

from collections.abc import Generator

import pytest
from _pytest.terminal import TerminalReporter

from hw.errors import nearest
from hw.pe.registry import PE_TYPES
from tests import rtl_table


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--pe", default=None, help="simulate this PE type only")
    parser.addoption("--rtl-table", action="store_true", help="print all layers simulated")
    parser.addoption("--fail-on-skip", action="store_true", help="a skipped test is a failure")


def pytest_configure(config: pytest.Config) -> None:
    name = config.getoption("--pe")
    if name is not None and name not in PE_TYPES:
        raise pytest.UsageError(f"--pe must be {nearest(name, PE_TYPES)}, not {name!r}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    if call.when == "call":
        item.user_properties += [("rtl", row) for row in rtl_table.take_rows()]
    return (yield)


def pytest_terminal_summary(terminalreporter: TerminalReporter, config: pytest.Config) -> None:
    rows = [
        row
        for reports in terminalreporter.stats.values()
        for report in reports
        if getattr(report, "when", None) == "call"
        for name, row in report.user_properties
        if name == "rtl"
    ]
    if rows:
        terminalreporter.write_line(rtl_table.summary(rows, whole=config.getoption("--rtl-table")))


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = reporter.stats.get("skipped", []) if reporter else []
    if session.config.getoption("--fail-on-skip") and skipped and exitstatus == 0:
        reporter.write_line(f"{len(skipped)} skipped tests count as failures here", red=True)
        session.exitstatus = 1
