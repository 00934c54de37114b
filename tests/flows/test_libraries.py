"""Finding cell libraries: search order, names, corners, and what wrong input gets."""

from __future__ import annotations

import gzip
import os
import re
from pathlib import Path

import pytest

from flows.errors import FlowError, LibertyError, LibraryNotFound
from flows.libraries import CellLibrary, available_libraries, check_liberty, find_library

TEXT = "/* a comment */\nlibrary (tiny) {\n}\n"


def put(path: Path, text: str = TEXT) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text)
    return path


@pytest.fixture(autouse=True)
def no_other_places(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("OPENQUIDAM_LIBRARIES", "PDK_ROOT", "ORFS", "FLOW_HOME"):
        monkeypatch.delenv(variable, raising=False)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    first, second = tmp_path / "first", tmp_path / "second"
    monkeypatch.setenv("OPENQUIDAM_LIBRARIES", f"{first}{os.pathsep}{os.pathsep}{second}")
    return first


@pytest.mark.parametrize(
    "file", ["zz9.lib", "zz9.lib.gz", "zz9_typ.lib", "zz9/any.lib", "zz9/lib/any.lib.gz"]
)
def test_name_finds_file(folder: Path, file: str) -> None:
    put(folder / "other.lib")
    path = put(folder / file)
    library = find_library("zz9")
    assert (library.name, library.path) == ("zz9", path)
    assert "other" in available_libraries()


def test_earlier_folder_wins(folder: Path) -> None:
    put(folder.parent / "second" / "zz9.lib", TEXT + "\n")
    assert find_library("zz9").path.parent.name == "second"
    put(folder / "zz9_slow.lib")
    assert find_library("zz9").path.parent.name == "first"


def test_name_ends_where_letters_and_digits_end(folder: Path) -> None:
    put(folder / "zz90_stdcells.lib")
    with pytest.raises(LibraryNotFound, match="no cell library 'zz9' was found"):
        find_library("zz9")


def test_typical_corner_is_preferred(folder: Path) -> None:
    put(folder / "zz9_ff.lib")
    put(folder / "zz9_ss.lib")
    with pytest.raises(LibraryNotFound, match="several files") as error:
        find_library("zz9")
    assert str(folder / "zz9_ss.lib") in str(error.value)
    path = put(folder / "zz9_typical.lib")
    assert find_library("zz9").path == path


def test_pdk_and_platform_layouts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cells = tmp_path / "pdk" / "sky" / "libs.ref" / "sky_hd" / "lib"
    for corner in ("ff_n40C_1v95", "tt_025C_1v80", "tt_100C_1v80"):
        put(cells / f"sky_hd__{corner}.lib")
    put(tmp_path / "orfs" / "platforms" / "ng" / "lib" / "Cells_typical.lib")
    put(tmp_path / "orfs" / "platforms" / "ng" / "lib" / "fakeram_64x7.lib")
    monkeypatch.setenv("PDK_ROOT", str(tmp_path / "pdk"))
    monkeypatch.setenv("FLOW_HOME", str(tmp_path / "orfs"))
    assert find_library("sky_hd").path.name == "sky_hd__tt_025C_1v80.lib"
    assert find_library("ng").path.name == "Cells_typical.lib"
    assert {"sky_hd", "ng"} <= set(available_libraries())


def test_packed_and_unpacked_are_one_library(folder: Path, tmp_path: Path) -> None:
    plain, packed = put(folder / "a.lib"), put(folder / "b.lib.gz")
    first, second = find_library(plain), find_library(str(packed))
    assert first.digest == second.digest
    copy = second.local_copy(tmp_path / "cache")
    assert copy.read_text() == TEXT
    assert copy == first.local_copy(tmp_path / "cache")
    assert [p.name for p in copy.parent.iterdir()] == [f"{first.digest}.lib"]


def test_a_path_cannot_reach_a_script(tmp_path: Path) -> None:
    path = put(tmp_path / 'x"; exec [touch pwned] $(id)\n' / "a'b; c.lib")
    library = find_library(path)
    assert re.fullmatch(r"[A-Za-z0-9_.-]+", library.name)
    assert re.fullmatch(r"[0-9a-f]{16}\.lib", library.local_copy(tmp_path / "cache").name)


@pytest.mark.parametrize("name", ["", "a;exec ls", "a b", "a\nb", "$(id)", "..", "-x", 'a"b'])
def test_wrong_name(name: str) -> None:
    with pytest.raises(LibraryNotFound) as error:
        find_library(name)
    assert repr(name) in str(error.value)


def test_missing_library_says_what_to_get(folder: Path) -> None:
    put(folder / "zz9.lib")
    with pytest.raises(LibraryNotFound) as error:
        find_library("nangate46")
    message = str(error.value)
    assert str(folder) in message and "$OPENQUIDAM_LIBRARIES" in message and "zz9" in message
    with pytest.raises(LibraryNotFound, match="must name an existing"):
        find_library(folder / "absent.lib")


def test_advice_for_known_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flows.libraries._places", list)
    with pytest.raises(LibraryNotFound, match="apt-get install qflow-tech-osu018"):
        find_library("osu018")
    with pytest.raises(LibraryNotFound, match="OpenROAD-flow-scripts"):
        find_library("nangate45")


@pytest.mark.parametrize(
    "text", ["", "module m; endmodule\n", "\0\1\2", "/* library ( */", "librarian (x)"]
)
def test_not_liberty(tmp_path: Path, text: str) -> None:
    with pytest.raises(LibertyError, match="must begin with 'library \\('"):
        check_liberty(put(tmp_path / "x.lib", text))


def test_broken_archive(tmp_path: Path) -> None:
    whole = gzip.compress((TEXT + "x" * 100000).encode())
    for name, content in (("cut", whole[:-20]), ("none", b"library (x) {}")):
        path = tmp_path / f"{name}.lib.gz"
        path.write_bytes(content)
        with pytest.raises(LibertyError, match="cannot be read"):
            find_library(path)


def test_changed_library_is_refused(tmp_path: Path) -> None:
    path = put(tmp_path / "x.lib")
    library = find_library(path)
    put(path, TEXT + " ")
    with pytest.raises(LibertyError, match="must not change"):
        library.local_copy(tmp_path / "cache")
    assert list((tmp_path / "cache" / "libraries").iterdir()) == []


def test_library_name_is_validated(tmp_path: Path) -> None:
    with pytest.raises(FlowError, match="a library's name must be"):
        CellLibrary(name="a b", path=tmp_path / "x.lib", digest="0" * 16)
