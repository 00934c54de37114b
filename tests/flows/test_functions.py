"""Boolean functions: every operator, precedence against Python's own evaluation, cofactors."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.errors import LibertyError
from flows.functions import MAX_INPUTS, Function, parse_function

A, B, C = (np.array([i >> j & 1 for i in range(8)], dtype=bool) for j in range(3))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("A B C", A & B & C),
        ("A & B * C", A & B & C),
        ("A | B + C", A | B | C),
        ("A ^ B ^ C", A ^ B ^ C),
        ("!A B + C", (~A & B) | C),
        ("A' B | C", (~A & B) | C),
        ("A + B C", A | (B & C)),
        ("A ^ B C", (A ^ B) & C),  # in Liberty ^ binds more strongly than &
        ("!(A + B)' C", (A | B) & C),
        ("!!A''|B&!B|C&0", A),
        ("(A&B)|(C&(A|B))", (A & B) | (C & (A | B))),
        ("(S * 1)", None),
    ],
)
def test_text_to_truth_table(text: str, value: np.ndarray | None) -> None:
    function = parse_function(text)
    if value is None:
        assert function == Function(("S",), 0b10)
    else:
        assert function.over(("A", "B", "C")).table.tolist() == value.tolist()


@pytest.mark.parametrize("text", ["", "A &", "(A", "A)", "A % B", "& A", "A + + B", "2"])
def test_text_that_is_no_function(text: str) -> None:
    with pytest.raises(LibertyError, match="a Boolean function must consist of"):
        parse_function(text)


def test_limits_are_errors() -> None:
    with pytest.raises(LibertyError, match=f"at most {MAX_INPUTS}"):
        parse_function(" ".join(f"a{i}" for i in range(MAX_INPUTS + 1)))
    with pytest.raises(LibertyError, match="levels of nesting"):
        parse_function("(" * 5000 + "A" + ")" * 5000)


@given(st.text(alphabet="AB01!'^&*|+() ", max_size=30))
def test_any_text_is_a_function_or_an_error(text: str) -> None:
    try:
        function = parse_function(text)
    except LibertyError:
        return
    assert 0 <= function.bits < 1 << (1 << len(function.names))


functions = st.integers(0, 255).map(lambda bits: Function(("A", "B", "C"), bits))


@given(functions, functions)
def test_algebra(f: Function, g: Function) -> None:
    assert (f & g) == ~(~f | ~g)
    assert (f ^ g) == (f & ~g) | (~f & g)
    assert f.substitute({"B": parse_function("B")}) == f
    toggles = f.difference("B").over(("A", "C")).table
    for a, c in itertools.product((0, 1), repeat=2):
        low, high = f.table[a + 4 * c], f.table[a + 2 + 4 * c]
        assert toggles[a + 2 * c] == (low != high)


@given(functions)
def test_probability_is_the_sum_over_the_true_vectors(f: Function) -> None:
    p = {"A": np.array([0.1, 0.5]), "B": np.array([0.3, 0.0]), "C": np.array([0.9, 1.0])}
    expected = np.zeros(2)
    for i in np.flatnonzero(f.table):
        term = np.ones(2)
        for j, name in enumerate("ABC"):
            term *= p[name] if i >> j & 1 else 1 - p[name]
        expected += term
    np.testing.assert_allclose(f.probability(p), expected, atol=1e-12)


def test_outputs_in_a_condition_are_replaced_by_their_functions() -> None:
    when = parse_function("Q & !QN & D")
    values = {"Q": parse_function("IQ"), "QN": parse_function("!IQ")}
    assert when.substitute(values) == parse_function("IQ & D")
