"""Whatever the evaluation measures is explained."""

from imagevae.evaluation.headlines import HEADLINES
from imagevae.report import glossary


def test_each_headline_has_an_entry():
    for name in [*HEADLINES, "fd_random", "kid_random"]:
        entry = glossary.entry(name)
        assert entry.meaning
        assert entry.explained.startswith(entry.meaning)
    assert glossary.entry("mse").explained.endswith("0 to 1. Lower is better.")


def test_distances_are_named_after_their_features_and_unknown_metrics_after_themselves():
    assert glossary.entry("fd_judge_of_mine").title == "Fréchet distance, judge of mine features"
    assert glossary.entry("of_mine") == glossary.Entry("Of mine", "")
    assert glossary.section("random_features").endswith("random features")
    assert glossary.section("of_mine") == "Of mine"
