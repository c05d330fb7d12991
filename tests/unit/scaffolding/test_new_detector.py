"""`edgeproof new model` for a model that selects boxes: it gets its task, or is told what to declare."""

import numpy as np
import onnx
import pytest
from edgeproof.core.yaml_files import read_yaml
from edgeproof.scaffolding.cli import main
from onnx import TensorProto, helper


def save_detector(path, outputs, threshold=0.3, middle=1):
    """Save a model that ends in NonMaxSuppression over eight boxes and two classes. `outputs`: those that it gives."""
    infos = {
        "boxes": helper.make_tensor_value_info("boxes", TensorProto.FLOAT, [1, 8, 4]),
        "scores": helper.make_tensor_value_info("scores", TensorProto.FLOAT, [1, 2, 8]),
        "selected": helper.make_tensor_value_info("selected", TensorProto.INT64, ["k", 3]),
    }
    limits = {"most": np.array([4]), "iou": np.array([0.5], np.float32), "least": np.array([threshold], np.float32)}
    graph = helper.make_graph(
        [
            helper.make_node("Identity", ["b"], ["boxes"]),
            helper.make_node("Identity", ["s"], ["scores"]),
            helper.make_node("NonMaxSuppression", ["boxes", "scores", *limits], ["selected"], center_point_box=middle),
        ],
        "detector",
        [
            helper.make_tensor_value_info("b", TensorProto.FLOAT, [1, 8, 4]),
            helper.make_tensor_value_info("s", TensorProto.FLOAT, [1, 2, 8]),
        ],
        [infos[name] for name in outputs],
        [onnx.numpy_helper.from_array(array, name) for name, array in limits.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


@pytest.mark.parametrize(("middle", "box_format"), [(1, "cxcywh"), (0, "yxyx")])
def test_a_detector_that_selects_boxes_gets_its_task(root, tmp_path, monkeypatch, capsys, middle, box_format):
    monkeypatch.chdir(tmp_path)
    save_detector("detector.onnx", ["boxes", "scores", "selected"], middle=middle)
    main(["model", "detector.onnx"], root)
    assert "output 'selected' selects boxes: `task: detection`" in capsys.readouterr().out
    task = read_yaml(root / "config/models/detector.yaml", "model")["task"]["detection"]
    assert (task["boxes"], task["scores"], task["selected"]) == ("boxes", "scores", "selected")
    assert (task["box_format"], task["iou_threshold"]) == (box_format, 0.5)
    assert task["score_threshold"] == pytest.approx(0.3)
    main(["model", "detector.onnx", "--task", "none", "--name", "plain"], root)
    assert read_yaml(root / "config/models/plain.yaml", "model")["task"] == "none"


def test_rows_that_cannot_be_matched_yet_are_named_with_what_to_declare(root, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    save_detector("detector.onnx", ["selected"])
    main(["model", "detector.onnx"], root)
    told = capsys.readouterr().out
    assert (
        "NonMaxSuppression chooses the rows of output 'selected'" in told and "declare `task: {detection: …}`" in told
    )
    assert read_yaml(root / "config/models/detector.yaml", "model")["task"] == "none"
