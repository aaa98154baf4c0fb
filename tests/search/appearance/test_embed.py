"""Likeness: of clothing and paint, with and without a model."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from search.appearance.embed import (
    Embedder,
    EmbedderRefused,
    comparable,
    embed_passages,
    load_embedder,
)
from search.objects import ObjectClass
from tests.search.attributes.passages import as_monochrome, draw_person, passage

RED, BLUE, GREEN, BLACK, WHITE = (
    (40, 30, 190),
    (150, 80, 30),
    (60, 130, 50),
    (22, 22, 22),
    (230, 230, 230),
)
DRESSES = [(RED, BLUE), (BLUE, RED), (GREEN, BLACK), (WHITE, BLACK), (BLACK, WHITE)]


@pytest.fixture(scope="module", params=["stripes", "osnet"])
def embedder(request: pytest.FixtureRequest) -> Embedder:
    if request.param == "stripes":
        return load_embedder(None, 1)
    folder: Path = request.getfixturevalue("shared")
    return load_embedder(folder / "models" / "osnet_x0_25_msmt17.onnx", 1)


def _people(embedder: Embedder, crops: list[np.ndarray]) -> np.ndarray:
    return embedder.embed(crops, [ObjectClass.PERSON] * len(crops))


def test_vectors_have_the_length_one_and_the_size_that_was_said(embedder: Embedder) -> None:
    crops = [draw_person(*dress)[0] for dress in DRESSES]
    vectors = _people(embedder, crops)
    assert vectors.shape == (len(crops), embedder.size)
    assert vectors.dtype == np.float32
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(len(crops)), abs=1e-4)
    assert _people(embedder, []).shape == (0, embedder.size)


def test_the_same_clothes_in_other_light_are_most_alike(embedder: Embedder) -> None:
    by_day = [draw_person(*dress, seed=1)[0] for dress in DRESSES]
    at_dusk = [
        draw_person(*dress, light=0.85, tint=(0.95, 0.99, 1.02), street=(80, 84, 82), seed=2)[0]
        for dress in DRESSES
    ]
    likeness = _people(embedder, by_day) @ _people(embedder, at_dusk).T
    assert likeness.argmax(axis=1).tolist() == list(range(len(DRESSES)))


def test_what_has_no_colour_and_what_is_too_small_is_like_nothing(embedder: Embedder) -> None:
    crop, _ = draw_person(RED, BLUE)
    grey = cv2.cvtColor(cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    tinted = np.clip(grey + np.array([6, -8, 10]), 0, 255).astype(np.uint8)
    vectors = _people(embedder, [crop, grey, tinted, crop[:5, :5]])
    assert comparable(vectors).tolist() == [True, False, False, False]


def test_a_passage_is_the_mean_of_its_looks(embedder: Embedder) -> None:
    looks = [draw_person(RED, BLUE, seed=seed) for seed in range(3)]
    one = passage(ObjectClass.PERSON, looks)
    by_night = as_monochrome(one)
    embed_passages(embedder, [one, by_night])
    assert one.vector is not None
    assert one.vector_kind == embedder.kind
    assert float(np.linalg.norm(one.vector)) == pytest.approx(1, abs=1e-4)
    assert float((_people(embedder, [looks[0][0]]) @ one.vector)[0]) > 0.9
    assert (by_night.vector, by_night.vector_kind) == (None, "")
    embed_passages(embedder, [])


def test_kinds_tell_spaces_apart(shared: Path, tmp_path: Path) -> None:
    model = shared / "models" / "osnet_x0_25_msmt17.onnx"
    first = load_embedder(model, 1)
    assert first.kind.startswith("osnet_x0_25_msmt17-")
    assert load_embedder(None, 1).kind == "stripes-1"
    other = tmp_path / model.name
    other.write_bytes(model.read_bytes() + b"\0")
    with pytest.raises(EmbedderRefused):
        load_embedder(other, 1)


@pytest.mark.parametrize(
    ("content", "said"), [(None, "cannot be read"), (b"", "no model"), (b"not onnx", "no model")]
)
def test_what_is_no_model_is_refused_in_words(
    tmp_path: Path, content: bytes | None, said: str
) -> None:
    model = tmp_path / "appearance.onnx"
    if content is not None:
        model.write_bytes(content)
    with pytest.raises(EmbedderRefused, match=said):
        load_embedder(model, 1)


@pytest.mark.parametrize("name", ["nanodet_g_qdq.onnx", "clp_v2_c_rec.onnx", "clp_det.onnx"])
def test_a_model_that_does_something_else_is_refused_in_words(name: str) -> None:
    models = Path(load_embedder.__code__.co_filename).parents[1] / "models"
    with pytest.raises(EmbedderRefused, match=r"embedder|size|picture"):
        load_embedder(models / name, 1)


@given(arrays.arrays(np.uint8, st.tuples(st.integers(1, 40), st.integers(1, 40), st.just(3))))
def test_any_crop_has_a_vector_or_none(crop: np.ndarray) -> None:
    stripes = load_embedder(None, 1)
    vector = stripes.embed([crop], [ObjectClass.CAR])[0]
    length = float(np.linalg.norm(vector))
    assert length == pytest.approx(1, abs=1e-4) or length == 0
