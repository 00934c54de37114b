from __future__ import annotations

import pytest

from characterize.source_digest import code_of, flow_digest, generator_digest


def test_comments_docstrings_and_space_do_not_count() -> None:
    plain = "def f(x):\n    return x + 1\n"
    told = '"""About."""\n\n# note\ndef f(x):\n    """Say."""\n    return x + 1  # why\n'
    assert code_of(told) == code_of(plain)


@pytest.mark.parametrize(
    "other", ["def f(x):\n    return x + 2\n", "def g(x):\n    return x + 1\n"]
)
def test_code_counts(other: str) -> None:
    assert code_of("def f(x):\n    return x + 1\n") != code_of(other)


def test_texts_that_are_no_docstrings_count() -> None:
    assert code_of("x = 'a'\n") != code_of("x = 'b'\n")


def test_pe_types_have_digests_of_their_own_files() -> None:
    assert generator_digest("int8") == generator_digest("int16")
    assert generator_digest("int8") != generator_digest("lightpe1")
    assert flow_digest() != generator_digest("int8")
