"""Curves between key frames, against scipy."""

from __future__ import annotations

import numpy as np
import torch

from kinema.models.render_in_between.keyframes import FAR, Keyframes


def made() -> tuple[Keyframes, torch.Tensor, list[list[int]]]:
    places = [[0, 3, 4, 9], [2, 7], []]
    known = torch.zeros(1, 10, 3, dtype=torch.bool)
    for token, frames in enumerate(places):
        known[0, frames, token] = True
    time = torch.tensor([[0.0, 0.1, 0.25, 0.3, 0.5, 0.6, 0.8, 0.9, 1.0, 1.3]])
    values = torch.randn(1, 10, 3, generator=torch.Generator().manual_seed(0))
    return Keyframes(known, time, torch.arange(3)), values, places


def test_lines_are_numpys_and_a_token_without_keys_is_zero() -> None:
    keys, values, places = made()
    found = keys.linear(values)[0].numpy()
    when = keys.time[0].numpy()
    for token in (0, 1):
        there = places[token]
        assert np.allclose(found[:, token], np.interp(when, when[there], values[0, there, token]), atol=1e-5)
    assert not found[:, 2].any()


def test_distances_in_seconds() -> None:
    keys, _, _ = made()
    since, until = keys.distances()[0].chunk(2, -1)
    assert torch.isclose(since[5, 1], torch.tensor(0.35))
    assert torch.isclose(until[5, 1], torch.tensor(0.3))
    assert (since[:, 2] == FAR).all()


def test_a_doubtful_value_counts_less_in_the_smooth_curve() -> None:
    time = torch.arange(5.0)[None] * 0.02
    values = torch.tensor([0.0, 0.0, 1.0, 0.0, 0.0])[None, :, None]
    keys = Keyframes(torch.ones(1, 5, 1, dtype=torch.bool), time, torch.zeros(1, dtype=torch.long))
    line = keys.linear(values)
    even = keys.local_lines(values, torch.ones(1, 5, 1), ((0.05, True),), line)[0][0, 2]
    doubted = keys.local_lines(values, torch.tensor([1.0, 1, 0.1, 1, 1])[None, :, None], ((0.05, True),), line)[0][0, 2]
    assert 0 < doubted < even < 1
