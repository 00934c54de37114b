"""Layer tables of the zoo against published totals, and a user's tables with their mistakes."""

from __future__ import annotations

from pathlib import Path

import pytest

from dse.errors import WorkloadError
from dse.term_mix import TermMix
from dse.workloads import load_network, network_names

TORCHVISION = "torchvision.models, `_ops` of the weights' metadata"
PUBLISHED = [
    # network, convolutions only, multiply-accumulates, relative tolerance of the last digit, source
    ("alexnet", True, 666e6, 0.5 / 666, "Chen et al., JSSC 52(1), 2017: 2.66 G for a batch of 4"),
    ("vgg16", False, 15.47e9, 0.005 / 15.47, TORCHVISION),
    ("resnet34", False, 3.664e9, 0.0005 / 3.664, TORCHVISION),
    ("resnet50", False, 4.089e9, 0.0005 / 4.089, TORCHVISION),
    ("resnet20", False, 4.06e7, 0.005 / 4.06, "He et al., Soft Filter Pruning, IJCAI 2018"),
    ("resnet56", False, 125.49e6, 0.005 / 125.49, "Lin et al., HRank, CVPR 2020"),
]


@pytest.mark.parametrize(("name", "conv_only", "macs", "tolerance", "source"), PUBLISHED)
def test_macs_are_the_published_ones(
    name: str, conv_only: bool, macs: float, tolerance: float, source: str
) -> None:
    layers = load_network(name).layers
    total = sum(x.macs for x in layers if not (conv_only and x.name.startswith("fc")))
    assert total == pytest.approx(macs, rel=tolerance), source


@pytest.mark.parametrize(
    # parameters of torchvision's models less biases and batch normalisation
    ("name", "weights"),
    [
        ("vgg16", 138_357_544 - 13_416),
        ("resnet34", 21_797_672 - 18_024),
        ("resnet50", 25_557_032 - 54_120),
    ],
)
def test_weights_are_the_published_ones(name: str, weights: int) -> None:
    assert load_network(name).weights == weights


def test_the_zoo_is_listed() -> None:
    resnets = tuple(f"resnet{depth}" for depth in (20, 34, 50, 56))
    assert network_names() == ("alexnet", "digits", *resnets, "vgg16")


@pytest.mark.parametrize("name", network_names())
def test_layers_chain(name: str) -> None:
    """Every convolution finds an earlier layer whose output, pooled or not, it can read."""
    network = load_network(name)
    produced = {(network.layers[0].c, network.layers[0].h)}
    for layer in network.layers:
        fits = any(
            layer.c == c and layer.h in (size, size // 2, (size + 1) // 2, (size - 1) // 2)
            for c, size in produced
        )
        flattened = layer.h == 1 and any(
            layer.c in (c, *(c * side**2 for side in (size, size // 2, (size - 1) // 2)))
            for c, size in produced
        )
        assert fits or flattened, layer
        produced.add((layer.m, layer.e))


@pytest.mark.parametrize("name", network_names())
def test_unique_layers_keep_the_totals(name: str) -> None:
    network = load_network(name)
    unique = network.unique_layers()
    assert sum(layer.macs * count for layer, count in unique) == network.macs
    assert sum(count for _, count in unique) == len(network.layers)
    shapes = [(x.n, x.c, x.h, x.w, x.m, x.r, x.s, x.stride, x.padding, x.groups) for x, _ in unique]
    assert len(set(shapes)) == len(shapes)


def test_batched_multiplies_macs() -> None:
    network = load_network("alexnet")
    assert network.batched(4).macs == 4 * network.macs


def test_a_users_csv_and_yaml_agree(tmp_path: Path) -> None:
    table = tmp_path / "mine.csv"
    table.write_text(
        "# note\nname,c,h,w,m,r,s,stride,padding\na,3,8,8,4,3,3,1,1\nb,4,8,8,2,1,1,,\n"
    )
    text = "layers:\n- {name: a, c: 3, h: 8, w: 8, m: 4, r: 3, s: 3, padding: 1}\n"
    other = tmp_path / "mine.yaml"
    other.write_text(text + "- {name: b, c: 4, h: 8, w: 8, m: 2, r: 1, s: 1}\n")
    assert load_network(table) == load_network(str(other))
    assert load_network(table).name == "mine"


def test_mixes_of_terms_come_with_layers(tmp_path: Path) -> None:
    table = tmp_path / "mine.csv"
    table.write_text(
        "name,c,h,w,m,r,s,k0,k1,k2\na,4,8,8,4,1,1,0.1,0.6,0.3\nb,4,8,8,4,1,1,,,\nc,4,8,8,4,1,1,,,\n"
    )
    other = tmp_path / "mine.yaml"
    shape = "c: 4, h: 8, w: 8, m: 4, r: 1, s: 1"
    other.write_text(
        f"- {{name: a, {shape}, k0: 0.1, k1: 0.6, k2: 0.3}}\n- {{name: b, {shape}}}\n"
        f"- {{name: c, {shape}}}\n"
    )
    network = load_network(table)
    assert network == load_network(other)
    assert network.term_mixes == {"a": TermMix(0.1, 0.6, 0.3)}
    assert [(layer.name, count) for layer, count in network.unique_layers()] == [("a", 1), ("b", 2)]
    mixed = network.with_mix(TermMix(0, 1, 0)).batched(2)
    assert [str(mixed.term_mixes[name]) for name in "abc"] == ["0.1,0.6,0.3", "0,1,0", "0,1,0"]
    assert network.mix_text.endswith("most terms; 0.1,0.6,0.3.")
    assert mixed.mix_text.endswith(": 0,1,0; 0.1,0.6,0.3.")


def test_unknown_network_names_the_nearest() -> None:
    with pytest.raises(WorkloadError) as error:
        load_network("vgg-16")
    assert str(error.value) == (
        "network must be a layer table (.csv, .yaml) or one of alexnet, digits, resnet20, "
        "resnet34, resnet50, resnet56, vgg16; did you mean 'vgg16'?, not 'vgg-16'"
    )


HEADER = "name,c,h,w,m,r,s\n"


@pytest.mark.parametrize(
    ("suffix", "text", "message"),
    [
        ("csv", "", "the table is empty"),
        ("csv", HEADER, "the table must have at least one layer"),
        ("csv", "name,c,hh\na,1,2\n", "unknown column 'hh'"),
        ("csv", "name,c,c\na,1,2\n", "column 'c' must stand once, not 2 times"),
        ("csv", HEADER + "a,3,8,8,4,3\n", "line 2: must have 7 cells, not 6"),
        ("csv", HEADER + "a,3,8,8,4,3,x\n", "line 2: s must be an integer, not 'x'"),
        ("csv", HEADER + "a,3,8,8,0,3,3\n", "line 2: layer 'a': m must be an integer from 1"),
        ("csv", HEADER + "a,3,2,2,4,3,3\n", "line 2: layer 'a': the 3 x 3 filter must fit"),
        ("csv", HEADER + "a,,8,8,4,3,3\n", "line 2: c must be an integer, not ''"),
        ("csv", HEADER + "a,3,8,8,4,3,3\na,3,8,8,4,3,3\n", "line 3: name must differ"),
        ("csv", "name,c,h,w,m,r\na,3,8,8,4,3\n", "line 2: missing 's'"),
        ("csv", "c,h,w,m,r,s,k1\n3,8,8,4,3,3,1\n", "line 2: must have k0, k1, k2 together"),
        ("csv", "c,h,w,m,r,s,k0,k1,k2\n3,8,8,4,3,3,0,1,x\n", "line 2: k2 must be a number"),
        ("csv", "c,h,w,m,r,s,k0,k1,k2\n3,8,8,4,3,3,0,1,1\n", "line 2: k0, k1 and k2 must sum up"),
        ("yaml", "layers: {a: 1}\n", "must be a list of layers"),
        ("yaml", "network: []\n", "must have the key 'layers'"),
        ("yaml", "- [1]\n", "layer 1: must be a mapping"),
        ("yaml", "- {c: 3, k: 3}\n", "layer 1: unknown key 'k'"),
        ("yaml", "- {c: 3}\n", "layer 1: missing 'h'"),
        (
            "yaml",
            "- {c: 3.5, h: 8, w: 8, m: 4, r: 3, s: 3}\n",
            "layer 1: layer 'layer1': c must be",
        ),
        ("yaml", "- {c: [\n", "not YAML"),
        ("txt", HEADER, "a layer table must end in .csv, .yaml or .yml"),
    ],
)
def test_bad_tables_say_where_and_what(
    tmp_path: Path, suffix: str, text: str, message: str
) -> None:
    path = tmp_path / f"table.{suffix}"
    path.write_text(text)
    with pytest.raises(WorkloadError) as error:
        load_network(path)
    assert message in str(error.value)
    assert "table" in str(error.value)


def test_missing_and_binary_tables(tmp_path: Path) -> None:
    with pytest.raises(WorkloadError, match=r"cannot read the layer table .*No such file"):
        load_network(tmp_path / "none.csv")
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(WorkloadError, match="not UTF-8 text"):
        load_network(tmp_path / "binary.csv")
