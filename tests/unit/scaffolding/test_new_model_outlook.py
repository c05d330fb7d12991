"""`edgeproof new model`: what its samples and its protocol can decide is told before anything runs."""

import numpy as np
from edgeproof.scaffolding.cli import main

from .test_new_model import expand, save_model


def write_labelled(root, tmp_path, capsys, count, *arguments):
    """Add a model with that many labelled samples; return what was printed, and the campaign's text."""
    save_model(tmp_path / "net.onnx", {"x": ["n", 3]})
    values = np.random.default_rng(0).normal(size=(count, 3)).astype(np.float32)
    np.savez(tmp_path / "samples.npz", inputs=values, labels=np.arange(count) % 4)
    main(["model", str(tmp_path / "net.onnx"), "--samples", str(tmp_path / "samples.npz"), *arguments], root)
    return capsys.readouterr().out, (root / "config/net.yaml").read_text()


def test_too_few_samples_for_a_decision_are_told_before_anything_runs(root, tmp_path, capsys):
    told, campaign = write_labelled(root, tmp_path, capsys, 300)
    assert "200 samples calibrate, 100 evaluate" in told
    for text in (told, " ".join(campaign.replace("#", "").split())):
        assert "±3.7 points at best" in text and "381 that evaluate, 581 in all" in text
        assert "needs 10 starts; protocol quick has 5, protocol standard has enough" in text
    assert expand(root, "net").protocol == "quick"


def test_with_enough_samples_the_campaign_can_end_in_a_decision(root, tmp_path, capsys):
    """The evaluation gets what the decision needs, and the protocol has the starts."""
    told, campaign = write_labelled(root, tmp_path, capsys, 581)
    assert "200 samples calibrate, 381 evaluate" in told and "(almost) all answers agree" in told
    assert "# 381 samples that evaluate" in campaign
    assert expand(root, "net").protocol == "standard" and "starts" not in told


def test_a_protocol_that_is_named_stays(root, tmp_path, capsys):
    told, _ = write_labelled(root, tmp_path, capsys, 581, "--protocol", "quick")
    assert expand(root, "net").protocol == "quick" and "protocol quick has 5" in told
