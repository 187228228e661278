"""Clusters of latents: how many there are, and that they lie in classes."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagevae.model.flow import CLUSTERS
from imagevae.training.fit_clusters import allotted, clusters, count_clusters


@pytest.mark.parametrize(
    ("images", "latents", "clusters"), [(10, 1000, 1), (10_000, 15, 1), (200, 1000, 4), (10_000, 64, 4), (10**6,) * 3]
)
def test_there_are_clusters_where_images_and_latents_are_many(images: int, latents: int, clusters: int):
    assert count_clusters(images, latents, CLUSTERS) == min(clusters, CLUSTERS)
    assert count_clusters(images, latents, 1) == 1


@given(sizes=st.lists(st.integers(1, 10**5), min_size=1, max_size=80), seats=st.integers(1, 64))
def test_each_class_has_clusters_by_its_size(sizes: list[int], seats: int):
    given = allotted(sizes, seats)
    assert sum(given) == max(seats, len(sizes))
    assert min(given) >= 1
    for one, other in itertools.permutations(range(len(sizes)), 2):
        assert sizes[one] > sizes[other] or given[one] <= given[other] + 1


def test_clusters_lie_in_classes_however_these_lie():
    points = np.random.default_rng(0).standard_normal((400, 40)).astype(np.float32)
    owners = np.repeat([-1, 0, 1], [20, 80, 300])
    found = clusters(points, CLUSTERS, 0, owners)
    assert found.shares.sum() == pytest.approx(1)
    for owner, count in ((-1, 20), (0, 80), (1, 300)):
        own = found.owners == owner
        assert found.shares[own].sum() == pytest.approx(count / 400)
        assert found.shares[own] @ found.centres[own] == pytest.approx(
            points[owners == owner].sum(axis=0) / 400, abs=1e-6
        )
    assert np.array_equal(clusters(points, 1, 0, owners).owners, [-1, 0, 1])
    assert clusters(points, CLUSTERS, 0).owners.max() == 0
