"""Accuracy models: what is drawn has the promised shares, repeats, lasts as told, and is fitted from sightings."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from operators.models.accuracy import (
    ACCURACY_FILE,
    FEATURES,
    AccuracyRecipe,
    ClassAccuracy,
    DetectorAccuracy,
    Light,
    Persistence,
    Seen,
    answer,
    features,
    luck,
    normals,
    read_accuracy,
)
from operators.models.accuracy_fitting import fit, logistic, persistence, ridge
from operators.models.cards import SIZES, read_card
from operators.models.errors import ModelFileError
from operators.models.sightings import Sighting, Sightings, View, matched

PICTURE = {"width_px": 640, "height_px": 360}
NEW = Persistence(lasting=0.0, slow=0.0, slow_s=0.4)
NONE = (0.0,) * len(FEATURES)


def weights(**named: float) -> tuple[float, ...]:
    return tuple(named.get(name, 0.0) for name in FEATURES)


def plain(**changes: object) -> ClassAccuracy:
    """Finds everybody half of the time, exactly, and nobody else."""
    fields: dict[str, object] = {
        "threshold": 0.4,
        "detection": NONE,
        "score": NONE,
        "score_std": 0.5,
        "edge_bias": (NONE,) * 4,
        "edge_spread": (weights(one=-8.0),) * 4,
        "edge_mixing": tuple(tuple(float(i == k) for i in range(4)) for k in range(4)),
        "edge_tail": 0.0,
        "luck": NEW,
        "edge_luck": (NEW, NEW),
        "false_rate": (-20.0, 0.0, 0.0),
        "false_lasting_s": 0.2,
        "false_boxes": (),
        "ghost_share": 0.0,
        "ghost_boxes": (),
    }
    return ClassAccuracy(**{**fields, **changes})  # type: ignore[arg-type]


def detector(one: ClassAccuracy) -> DetectorAccuracy:
    recipe = AccuracyRecipe(
        command="", scenes=0, pictures=0, road_users=0, seed=0, held_out_scenes=0, held_out_seed=0, data="", weights=""
    )
    return DetectorAccuracy(name="small", labels={"pedestrian": one}, recipe=recipe)


def person(number: int = 1, height: float = 40.0, visible: float = 1.0) -> Seen:
    return Seen(number, "pedestrian", (100.0, 160.0, 100.0 + 0.4 * height, 160.0 + height), visible, 14.0)


def hits(model: DetectorAccuracy, one: Seen, light: Light | None = None, times: int = 40) -> float:
    """Share of pictures in which somebody like this is found: a dozen of them side by side, in ``times`` pictures."""
    x0, y0, x1, y1 = one.box
    places = [x0 - 90.0 + 48.0 * k for k in range(12)]
    seen = [one._replace(id=k + 1, box=(x, y0, x + x1 - x0, y1)) for k, x in enumerate(places)]
    found = [answer(model, seen, light or Light(), **PICTURE, seed=3, t=50_000_000 * k) for k in range(times)]
    return sum(map(len, found)) / (times * len(seen))


def test_an_answer_is_a_function_of_seed_time_and_road_user() -> None:
    model = detector(
        plain(edge_spread=(weights(one=-2.0),) * 4, false_rate=(0.0, 0.0, 0.0), false_boxes=((0.5, 1, 2, 9, 9),))
    )
    seen = [person(1), person(2)._replace(box=(300.0, 150.0, 320.0, 200.0))]
    answers = [answer(model, seen, Light(), **PICTURE, seed=s, t=t) for s, t in itertools.product((1, 2), range(8))]
    assert answers == [
        answer(model, seen, Light(), **PICTURE, seed=s, t=t) for s, t in itertools.product((1, 2), range(8))
    ]
    assert len({str(one) for one in answers}) > 8
    both = [answer(model, seen[::-1], Light(), **PICTURE, seed=1, t=t) for t in range(8)]
    assert [sorted(one) for one in both] == [sorted(one) for one in answers[:8]], (
        "whoever is asked first changes nothing"
    )


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_road_users_are_found_as_often_as_the_model_says(share: float) -> None:
    model = detector(plain(detection=weights(one=float(np.log(share / (1.0 - share))))))
    assert hits(model, person()) == pytest.approx(share, abs=0.08)


def test_what_is_hidden_far_or_in_the_dark_is_found_as_its_weights_say() -> None:
    model = detector(plain(detection=weights(visible=6.0, night=-9.0, log_height=3.0, one=-3.0)))
    clear = hits(model, person())
    assert hits(model, person(visible=0.2)) < 0.5 * clear
    assert hits(model, person(height=8.0)) < 0.5 * clear
    assert hits(model, person(), Light(night=1.0)) < 0.1 * clear


def test_scores_are_above_the_threshold_and_best_first() -> None:
    seen = [person(k)._replace(box=(40.0 * k, 160.0, 40.0 * k + 16.0, 200.0)) for k in range(12)]
    for t in range(20):
        scores = [item.score for item in answer(detector(plain()), seen, Light(), **PICTURE, seed=1, t=t)]
        assert scores == sorted(scores, reverse=True)
        assert all(0.4 <= score <= 1.0 for score in scores)


def test_boxes_err_as_the_model_says() -> None:
    bias = (weights(one=0.1), NONE, weights(one=0.1), NONE)
    model = detector(
        plain(detection=weights(one=9.0), edge_bias=bias, edge_spread=(weights(one=float(np.log(0.05))),) * 4)
    )
    boxes = [answer(model, [person()], Light(), **PICTURE, seed=1, t=t)[0].box for t in range(400)]
    error = np.array(boxes) - person().box
    assert error.mean(axis=0) == pytest.approx([1.6, 0.0, 1.6, 0.0], abs=0.25)
    assert error.std(axis=0) == pytest.approx([0.8, 2.0, 0.8, 2.0], rel=0.12)


def test_boxes_stay_in_the_picture_and_keep_an_area() -> None:
    wild = detector(plain(detection=weights(one=9.0), edge_spread=(weights(one=0.5),) * 4))
    corner = Seen(1, "pedestrian", (0.0, 330.0, 12.0, 360.0), 1.0, 5.0)
    for t in range(300):
        for item in answer(wild, [corner], Light(), **PICTURE, seed=1, t=t):
            x0, y0, x1, y1 = item.box
            assert 0.0 <= x0 < x1 <= 641.0
            assert 0.0 <= y0 < y1 <= 361.0


def test_nobody_is_found_as_often_as_the_model_says_and_for_as_long() -> None:
    model = detector(
        plain(false_rate=(float(np.log(0.5)), 0.0, 0.0), false_boxes=((0.5, 10, 10, 20, 40),), false_lasting_s=0.2)
    )
    counts = [len(answer(model, [], Light(), **PICTURE, seed=1, t=50_000_000 * k)) for k in range(1500)]
    assert np.mean(np.minimum(counts, 1)) == pytest.approx(1.0 - np.exp(-0.5), abs=0.07)
    changes = np.mean(np.diff(counts) != 0)
    assert changes < 0.15, "four pictures in a row show the same"


def test_ghosts_lie_where_road_users_are() -> None:
    model = detector(
        plain(
            false_rate=(3.0, 0, 0),
            ghost_share=1.0,
            ghost_boxes=((0.6, 0.0, 0.0, 1.5, 1.0),),
            detection=weights(one=-20.0),
        )
    )
    (ghost,) = answer(model, [person()], Light(), **PICTURE, seed=1, t=0)
    assert ghost.box == (100.0, 160.0, 124.0, 200.0)
    assert not answer(model, [], Light(), **PICTURE, seed=1, t=0)


def test_luck_is_standard_normal_and_lasts_as_told() -> None:
    ids = np.arange(4000, dtype=np.uint64)
    lasts = Persistence(lasting=0.3, slow=0.5, slow_s=0.4)
    at = {t: luck(lasts, 9, ids, round(t * 1e9)) for t in (0.0, 0.1, 0.8, 5.0)}
    for draws in at.values():
        assert (draws.mean(), draws.std()) == (pytest.approx(0.0, abs=0.06), pytest.approx(1.0, abs=0.05))
    common = {t: float(np.corrcoef(at[0.0], draws)[0, 1]) for t, draws in at.items()}
    assert common[0.1] > common[0.8]
    assert common[0.8] == pytest.approx(0.3, abs=0.07)
    assert common[5.0] == pytest.approx(0.3, abs=0.07)


@given(st.integers(-(2**70), 2**70), st.integers(0, 2**63), st.integers(0, 2**63))
def test_draws_are_finite_and_independent_of_who_else_is_there(stream: int, number: int, other: int) -> None:
    alone = normals(stream, np.array([number], np.uint64), 7)
    together = normals(stream, np.array([other, number], np.uint64), 7)
    assert np.isfinite(alone).all()
    assert alone[0] == together[1]


def test_a_regression_finds_the_weights_it_was_made_from() -> None:
    rng = np.random.default_rng(1)
    x = np.column_stack([np.ones(4000), rng.normal(size=(4000, 2))])
    chance = 1.0 / (1.0 + np.exp(-x @ [0.5, 1.5, -1.0]))
    assert logistic(x, (rng.random(4000) < chance).astype(float)) == pytest.approx([0.5, 1.5, -1.0], abs=0.2)
    assert ridge(x, x @ [2.0, -1.0, 0.5] + rng.normal(0, 0.1, 4000)) == pytest.approx([2.0, -1.0, 0.5], abs=0.01)


def test_a_regression_without_a_border_stays_finite() -> None:
    x = np.column_stack([np.ones(100), np.linspace(-1, 1, 100)])
    assert np.isfinite(logistic(x, (x[:, 1] > 0).astype(float))).all()


def test_persistence_is_found_again_in_what_it_made() -> None:
    made = Persistence(lasting=0.4, slow=0.4, slow_s=0.4)
    ids = np.arange(1500, dtype=np.uint64)
    times = [100_000_000 * k for k in range(10)]
    values = np.concatenate([luck(made, 3, ids, t) for t in times])[:, None]
    who = [(0, int(i)) for _ in times for i in ids]
    at = np.repeat(np.array(times, dtype=np.int64), len(ids))
    found = persistence(values, who, at, binary=False, slow_s=(0.4,))
    assert found.lasting == pytest.approx(0.4, abs=0.12)
    assert found.lasting + found.slow == pytest.approx(0.8, abs=0.15)


def drawn(model: DetectorAccuracy, scenes: int) -> list[Sightings]:
    """Sightings in which the detector is the model itself."""
    rng = np.random.default_rng(4)
    data = []
    for scene in range(scenes):
        users = []
        for k in range(8):
            height, x = float(rng.uniform(8, 90)), 75.0 * k + 10.0
            box = (x, 170.0, x + 0.4 * height, 170.0 + height)
            users.append(Seen(k + 1, "pedestrian", box, float(rng.uniform(0.2, 1.0)), 560.0 / height))
        views = []
        for k in range(10):
            t = 100_000_000 * k
            found = answer(model, users, Light(), **PICTURE, seed=scene, t=t)
            rows = tuple((item.label, item.score, *item.box) for item in found)
            seen = tuple(
                Sighting(id=u.id, label=u.label, box=u.box, visible=u.visible, distance_m=u.distance_m, tight=u.box)
                for u in users
            )
            views.append(View(t=t, **PICTURE, night=0.0, rain=0.0, fog_m=0.0, seen=seen, found={"small": rows}))
        data.append(Sightings(scene=str(scene), views=tuple(views)))
    return data


def test_a_model_fitted_to_a_model_says_the_same() -> None:
    truth = plain(detection=weights(one=-1.0, visible=3.0, log_height=1.5), edge_spread=(weights(one=-3.0),) * 4)
    data = drawn(detector(truth), 30)
    found = fit(data, "small", "pedestrian", 0.4)
    phi = features([person(1, h, v) for h in (12.0, 40.0, 80.0) for v in (0.3, 0.9)], Light(), 640, 360)
    ours, theirs = (1.0 / (1.0 + np.exp(-phi @ np.array(one.detection))) for one in (found, truth))
    assert ours == pytest.approx(theirs, abs=0.2)
    assert found.luck.lasting + found.luck.slow < 0.3
    assert np.exp(phi @ np.array(found.edge_spread[1])) == pytest.approx(np.exp(-3.0), rel=0.5)


def test_too_little_to_learn_from_is_refused() -> None:
    with pytest.raises(ValueError, match="are too few for small"):
        fit(drawn(detector(plain()), 1), "small", "pedestrian", 0.4)


def test_a_detection_goes_to_the_road_user_it_overlaps_most_and_what_overlaps_nobody_is_false() -> None:
    seen = [
        Sighting(id=1, label="pedestrian", box=(0, 0, 10, 20), visible=1.0, distance_m=9.0, tight=(0, 0, 10, 20)),
        Sighting(id=2, label="pedestrian", box=(6, 0, 16, 20), visible=1.0, distance_m=9.0, tight=(6, 0, 16, 20)),
        Sighting(id=3, label="vehicle", box=(50, 0, 90, 20), visible=1.0, distance_m=9.0, tight=(50, 0, 90, 20)),
        Sighting(id=4, label="pedestrian", box=(20, 0, 30, 20), visible=0.1, distance_m=9.0, tight=None),
    ]
    rows = (("pedestrian", 0.9, 5, 0, 15, 20), ("pedestrian", 0.8, 0, 0, 10, 20), ("pedestrian", 0.7, 200, 0, 210, 20))
    more = (("pedestrian", 0.6, 51, 0, 89, 20), ("vehicle", 0.5, 52, 0, 90, 20))
    view = View(t=0, **PICTURE, night=0, rain=0, fog_m=0, seen=tuple(seen), found={"small": rows + more})
    assert matched(view, "small", "pedestrian") == ({2: 0, 1: 1}, [2])
    assert matched(view, "small", "vehicle") == ({3: 4}, [])


def test_the_shipped_models_are_of_the_shipped_detectors_and_small() -> None:
    models = read_accuracy()
    assert set(models) == set(SIZES)
    for size, model in models.items():
        assert model.recipe.weights == read_card(size).blake2b, "fit them anew: the detectors have changed"
        assert set(model.labels) == {"pedestrian", "vehicle"}
        near, far = person(1, 90.0), person(1, 8.0)._replace(distance_m=70.0)
        assert hits(model, near) > 0.5 > 0.3 > hits(model, far)


def test_the_shipped_models_agree_with_the_pixels_they_were_judged_on() -> None:
    outside = {
        (size, name): one
        for size, model in read_accuracy().items()
        for name, one in model.agreement.items()
        if name.endswith(("average_precision", "recall")) and not one.difference_low <= 0.0 <= one.difference_high
    }
    assert not outside


def test_a_missing_or_damaged_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="cannot be read"):
        read_accuracy(tmp_path)
    (tmp_path / ACCURACY_FILE).write_text('{"small": 3}')
    with pytest.raises(ModelFileError, match="damaged"):
        read_accuracy(tmp_path)
