"""`edgeproof new model`: the files it writes are a campaign, and a mistake is one line that leaves nothing behind."""

import os
import zipfile
from pathlib import Path

import numpy as np
import onnx
import pytest
from edgeproof.core.campaign_files import expand_campaign_files, read_campaign_files
from edgeproof.core.catalogues import CATALOGUES, read_catalogue
from edgeproof.core.documents import load_schema, read_json
from edgeproof.core.errors import UserError
from edgeproof.core.files import sha256_file
from edgeproof.core.tensors import read_tensors
from edgeproof.core.yaml_files import read_yaml
from edgeproof.scaffolding.cli import main
from edgeproof.scaffolding.new_files import LONGEST_NAME
from edgeproof.sources.identity import identify_model
from edgeproof.sources.samples import make_samples
from onnx import TensorProto, helper
from PIL import Image


def save_model(path, inputs, dtype=TensorProto.FLOAT, classes=4):
    """Save a model that sums every input of shape `inputs[name]` over all but the batch and has `classes` outputs."""
    nodes, sums = [], []
    axes = {"one": np.array([1], np.int64), "weights": np.linspace(-1, 1, classes, dtype=np.float32).reshape(1, -1)}
    for name in inputs:
        nodes.append(helper.make_node("Cast", [name], [f"{name}-float"], to=TensorProto.FLOAT))
        nodes.append(helper.make_node("Flatten", [f"{name}-float"], [f"{name}-flat"]))
        nodes.append(helper.make_node("ReduceSum", [f"{name}-flat", "one"], [f"{name}-sum"], keepdims=1))
        sums.append(f"{name}-sum")
    nodes.append(helper.make_node("Sum", sums, ["sum"]))
    nodes.append(helper.make_node("MatMul", ["sum", "weights"], ["y"]))
    graph = helper.make_graph(
        nodes,
        "sums",
        [helper.make_tensor_value_info(name, dtype, shape) for name, shape in inputs.items()],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", classes])],
        [onnx.numpy_helper.from_array(array, name) for name, array in axes.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def expand(root, name):
    catalogues = {kind: read_catalogue(kind, root / "config") for kind in CATALOGUES}
    return expand_campaign_files(
        read_campaign_files([root / "config/config.yaml", root / f"config/{name}.yaml"], root=root), catalogues
    )


def remake(root, name, monkeypatch, tmp_path):
    """Make the samples as the workflow does; return (samples.json, calibration, evaluation)."""
    monkeypatch.chdir(root)
    document = read_yaml(f"config/models/{name}.yaml", "model")
    identify_model(name, document["source"]["path"], tmp_path / "identity.json")
    paths = [tmp_path / "c.npz", tmp_path / "e.npz", tmp_path / "samples.json"]
    make_samples(tmp_path / "identity.json", document["samples"], document["task"], *paths)
    return read_json(paths[2], "samples"), read_tensors(paths[0]), read_tensors(paths[1])


def list_files(root):
    return sorted(str(path.relative_to(root)) for path in root.rglob("*"))


def test_one_command_makes_a_campaign_without_anything_of_the_demo(root, tmp_path, capsys):
    model = save_model(tmp_path / "My Net_v2.onnx", {"x": [1, 3, 8, 8]})
    assert main(["model", str(model)], root) == 0
    assert "snakemake --profile local --configfile config/my-net-v2.yaml" in capsys.readouterr().out
    campaign = expand(root, "my-net-v2")
    assert {cell.model for cell in campaign.cells} == {"my-net-v2"}
    assert [cell.precision for cell in campaign.cells] == ["fp32", "fp16", "int8", "int8-dynamic"]
    assert [(item.left.precision, item.right.precision) for item in campaign.comparisons.values()] == [
        ("fp32", "fp16"), ("fp32", "int8"), ("fp32", "int8-dynamic"),
    ]  # fmt: skip
    assert campaign.calibration["cells"][0].model == "my-net-v2" and campaign.pipelines == ()
    document = read_yaml(root / "config/models/my-net-v2.yaml", "model")
    assert document["source"] == {"kind": "file", "path": str(model), "sha256": sha256_file(model)}
    assert document["task"] == "none" and document["samples"]["kind"] == "random"


def test_what_a_demo_may_grow_is_taken_away(root, tmp_path):
    with (root / "config/config.yaml").open("a") as base:
        base.write("tables: [{name: all, across: precision}]\npipelines: [fake-three]\ncriteria: first-answer\n")
    main(["model", str(save_model(tmp_path / "net.onnx", {"x": [1, 4]}))], root)
    campaign = expand(root, "net")
    assert len(campaign.comparisons) == 3 and campaign.pipelines == ()
    assert {item.criteria for item in campaign.comparisons.values()} == {"interactive"}


def test_open_axes_are_asked_for_and_random_samples_get_that_shape(root, tmp_path, monkeypatch):
    model = str(save_model(tmp_path / "net.onnx", {"x": ["n", 3, "height", "width"], "z": ["n", 2]}))
    before = list_files(root)
    with pytest.raises(UserError, match=r"leaves axes open: .*--shape x=1,3,height,width"):
        main(["model", model], root)
    assert list_files(root) == before
    main(["model", model, "--shape", "x=1,3,8,6", "--copy"], root)
    document, calibration, evaluation = remake(root, "net", monkeypatch, tmp_path)
    assert calibration["inputs/x"].shape == (256, 3, 8, 6) and evaluation["inputs/z"].shape == (64, 2)
    assert document["kind"] == "random" and (root / "config/models/net.onnx").read_bytes() == Path(model).read_bytes()


@pytest.mark.parametrize("suffix", ["npz", "npy", "csv", "csv-header", "npz-bare"])
def test_files_of_samples_are_split_into_two_sets(root, tmp_path, monkeypatch, suffix, capsys):
    model = save_model(tmp_path / "net.onnx", {"x": ["n", 2, 3]})
    values = np.random.default_rng(1).normal(size=(450, 2, 3)).astype(np.float32)
    values[449] = values[0]
    labels, arguments = np.arange(450) % 4, []
    path = tmp_path / f"samples.{suffix.split('-')[0]}"
    if suffix == "npz":
        np.savez(path, **{"inputs/x": values, "labels": labels})
    elif suffix == "npz-bare":
        np.savez(path, other=values.astype(np.float64), labels=labels)
    elif suffix == "npy":
        np.save(path, values)
        (tmp_path / "labels.csv").write_text("label\n" + "\n".join(map(str, labels)) + "\n")
        arguments = ["--labels", str(tmp_path / "labels.csv")]
    elif suffix == "csv":
        np.savetxt(path, values.reshape(450, 6), delimiter=",", fmt="%.9g")
        np.save(tmp_path / "labels.npy", labels)
        arguments = ["--labels", str(tmp_path / "labels.npy")]
    else:
        rows = "\n".join(
            ",".join(f"{value:.9g}" for value in row.ravel()) + f",{number}"
            for row, number in zip(values, labels, strict=True)
        )
        path.write_text(f"a,b,c,d,e,f,Label\n{rows}\n")
    assert main(["model", str(model), "--samples", str(path), *arguments], root) == 0
    assert "200 samples calibrate, 249 evaluate; 1 occur twice" in capsys.readouterr().out
    document, calibration, evaluation = remake(root, "net", monkeypatch, tmp_path)
    assert document["labels"] and document["calibration"]["count"] == 200 and document["evaluation"]["count"] == 249
    assert calibration["inputs/x"].dtype == np.float32 and calibration["inputs/x"].shape == (200, 2, 3)
    # Every sample keeps its label.
    where = {row.tobytes(): label for row, label in zip(values, labels, strict=True)}
    assert [where[row.tobytes()] for row in evaluation["inputs/x"]] == evaluation["labels"].tolist()


def save_images(folder, classes, count, size=(20, 10)):
    generator = np.random.default_rng(0)
    for name in classes:
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            pixels = generator.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{name or 'image'}-{number}.png")


def test_images_in_folders_of_classes(root, tmp_path, monkeypatch, capsys):
    model = save_model(tmp_path / "net.onnx", {"x": [1, 3, 10, 10]})
    save_images(tmp_path / "images", ["cat", "dog"], 120)
    arguments = ["model", str(model), "--samples", str(tmp_path / "images")]
    with pytest.raises(UserError, match="--images rgb or --images grey"):
        main(arguments, root)
    with pytest.raises(UserError, match="--scale is missing"):
        main([*arguments, "--images", "rgb"], root)
    how = ["--images", "rgb", "--scale", "1/255", "--mean", "0.5,0.4,0.3", "--std", "0.25"]
    main([*arguments, *how], root)
    assert "classes from folders: 0 cat, 1 dog" in capsys.readouterr().out
    text = (root / "config/models/net.yaml").read_text()
    assert "rgb, crop to the model's size (bilinear), (pixel * 0.0039215686 - [0.5, 0.4, 0.3]) / 0.25" in text
    document, _, evaluation = remake(root, "net", monkeypatch, tmp_path)
    assert read_yaml("config/models/net.yaml", "model")["task"] == "classification" and document["labels"]
    # The first evaluated image, computed by hand from all of them.
    images = sorted((tmp_path / "images").rglob("*.png"))
    crops = [np.asarray(Image.open(path))[:, 5:15] / 255 for path in images]
    wanted = [((crop - [0.5, 0.4, 0.3]) / 0.25).transpose(2, 0, 1) for crop in crops]
    first = evaluation["inputs/x"][0]
    index = next(index for index, item in enumerate(wanted) if np.allclose(item, first, atol=1e-5))
    assert evaluation["labels"][0] == (images[index].parent.name == "dog")


def test_grey_images_for_a_model_with_channels_last_and_a_table_of_labels(root, tmp_path, monkeypatch):
    model = save_model(tmp_path / "net.onnx", {"x": [1, 6, 8, 1]}, TensorProto.UINT8)
    save_images(tmp_path / "images", [""], 230)
    rows = "\n".join(f"{path.name},{len(path.name) % 3}" for path in sorted((tmp_path / "images").glob("*.png")))
    (tmp_path / "labels.csv").write_text(f"file,label\n{rows}\n")
    main(["model", str(model), "--samples", str(tmp_path / "images"), "--images", "grey", "--fit", "stretch",
          "--labels", str(tmp_path / "labels.csv")], root)  # fmt: skip
    _, calibration, evaluation = remake(root, "net", monkeypatch, tmp_path)
    assert calibration["inputs/x"].shape == (200, 6, 8, 1) and calibration["inputs/x"].dtype == np.uint8
    assert len(evaluation["labels"]) == 30


def test_targets_make_a_regression(root, tmp_path, monkeypatch):
    model = save_model(tmp_path / "net.onnx", {"x": ["n", 3]}, classes=1)
    values = np.random.default_rng(1).normal(size=(230, 3))
    rows = "\n".join(",".join(map(repr, [*row.tolist(), float(row.sum()) / 3])) for row in values)
    (tmp_path / "table.csv").write_text(f"a,b,c,target\n{rows}\n")
    main(["model", str(model), "--samples", str(tmp_path / "table.csv")], root)
    document, _, evaluation = remake(root, "net", monkeypatch, tmp_path)
    assert document["targets"] and evaluation["targets"].shape == (30, 1)
    assert read_yaml("config/models/net.yaml", "model")["task"] == "regression"


def test_nothing_is_overwritten(root, tmp_path):
    model = str(save_model(tmp_path / "net.onnx", {"x": [1, 3]}))
    main(["model", model], root)
    (root / "config/net.yaml").unlink()
    before = (root / "config/models/net.yaml").read_bytes()
    with pytest.raises(UserError, match=r"^config/models/net.yaml: exists already; choose another --name"):
        main(["model", model], root)
    assert (root / "config/models/net.yaml").read_bytes() == before and not (root / "config/net.yaml").exists()
    with pytest.raises(UserError, match=r"^config/fake.yaml: exists already"):
        main(["model", model, "--name", "fake"], root)


@pytest.mark.parametrize(
    ("file", "arguments", "message"),
    [
        ("missing.onnx", [], r"missing\.onnx: there is no such file"),
        ("pointer.onnx", [], r"pointer\.onnx: a Git LFS pointer instead of the file; fetch it: git lfs pull"),
        ("text.onnx", [], r"text\.onnx: not an ONNX model"),
        ("net.keras", [], r"net\.keras: a Keras model, .*; save it as a SavedModel, .*new model FOLDER"),
        ("net.h5", [], r"net\.h5: an HDF5 file, as Keras writes, .*; save it as a SavedModel, .*new model FOLDER"),
        ("pointer.tflite", [], r"pointer\.tflite: a Git LFS pointer instead of the file"),
        ("saved", [], r"saved/variables/variables\.index: a Git LFS pointer instead of the file"),
        ("folder", [], r"folder: is a folder without saved_model.pb"),
        ("tokens.onnx", [], r"input 'ids' is int64: random values would mean nothing to the model; give --samples"),
        ("batch.onnx", [], r"a fixed batch of 8; export the model with a batch of 1"),
        ("net.onnx", ["--name", "Net"], r"'Net' cannot be a name; .* such as net"),
        ("pipe.onnx", [], r"pipe\.onnx: is a pipe; write its content to a file first"),
        ("pipe.tflite", [], r"pipe\.tflite: is a pipe"),
        ("pipe.pt", [], r"pipe\.pt: is a pipe"),
        ("net.onnx", ["--samples", "pipe.npz"], r"pipe\.npz: is a pipe; write its content to a file first"),
        ("net.onnx", ["--samples", "pipe.npy"], r"pipe\.npy: is a pipe"),
        ("net.onnx", ["--samples", "pipe.csv"], r"pipe\.csv: is a pipe"),
        ("net.onnx", ["--samples", "good.npy", "--labels", "pipe.csv"], r"pipe\.csv: is a pipe"),
        ("net.onnx", ["--name", "a" * 101], r"has 101 characters; a name has at most 100"),
        ("long-" + "a" * 96 + ".onnx", [], r"has 101 characters; .* at most 100: choose a shorter one \(--name\)"),
        ("net.onnx", ["--name", "50"], r"'50' cannot be a name; .* such as model-50"),
        ("net.onnx", ["--preset", "ort"], r"'ort' is not a preset in config/presets/; it has "),
        ("net.onnx", ["--shape", "x"], r"--shape x: INPUT=N,… is needed"),
        ("net.onnx", ["--shape", "y=1,3"], r"--shape y=1,3: 'y' is not an input of the model; it has x"),
        ("net.onnx", ["--shape", "x=1,4"], r"shapes: x is \[1, 4\], but the model has \[1, 3\]"),
        ("net.onnx", ["--task", "classification"], r"--task classification needs samples with answers"),
        ("net.onnx", ["--scale", "0"], r"--scale: 0 must be a number above 0"),
        ("net.onnx", ["--labels", "x.npy"], r"--labels needs --samples"),
        ("net.onnx", ["--samples", "nowhere"], r"--samples nowhere: there is no such file or folder"),
        ("net.onnx", ["--samples", "few.npy"], r"of few.npy, 100 different, are too few: 201 different ones"),
        ("net.onnx", ["--samples", "same.npy"], r"300 samples of same.npy, 1 different, are too few"),
        ("net.onnx", ["--samples", "wide.npy"], r"x has samples of shape \[4\]; the model takes \[3\]"),
        ("net.onnx", ["--samples", "holes.npy"], r"x has values that are not finite \(sample 7\)"),
        ("net.onnx", ["--samples", "pointer.npz"], r"pointer\.npz: a Git LFS pointer instead of the file"),
        ("net.onnx", ["--samples", "pointer.npy"], r"pointer\.npy: a Git LFS pointer instead of the file"),
        ("net.onnx", ["--samples", "pointer.csv"], r"pointer\.csv: a Git LFS pointer instead of the file"),
        ("net.onnx", ["--samples", "good.npy", "--labels", "pointer.npy"], r"pointer\.npy: a Git LFS pointer instead"),
        ("net.onnx", ["--samples", "good.npy", "--labels", "pointer.csv"], r"pointer\.csv: a Git LFS pointer instead"),
        ("net.onnx", ["--samples", "ragged.csv"], r"ragged\.csv: row 2 has 2 values, the others 3"),
        ("net.onnx", ["--samples", "words.csv"], r"words\.csv: row 3, column 2: 'many' is not a number"),
        ("net.onnx", ["--samples", "good.npy", "--labels", "short.npy"], r"arrays differ in their number of samples"),
        ("net.onnx", ["--samples", "good.npy", "--labels", "high.npy"], r"the largest label is 9; the model's last"),
        ("net.onnx", ["--samples", "good.npy", "--images", "rgb", "--scale", "1"], r"is not a folder of images"),
        ("net.onnx", ["--samples", "folder", "--images", "rgb", "--scale", "1"], r"folder: has no images"),
        ("two.onnx", ["--samples", "good.npy"], r"the model has 2 inputs \(x, z\); use \.npz"),
        ("two.onnx", ["--samples", "one.npz"], r"has the arrays \['x'\]; the model's inputs are \['x', 'z'\]"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line_and_leaves_nothing(root, tmp_path, monkeypatch, file, arguments, message):
    monkeypatch.chdir(tmp_path)
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
    for ending in ("onnx", "npz", "npy", "csv", "tflite"):
        (tmp_path / f"pointer.{ending}").write_text(pointer)
    for ending in ("onnx", "npz", "npy", "csv", "tflite", "pt"):
        os.mkfifo(f"pipe.{ending}")
    (tmp_path / "text.onnx").write_text("hello " * 50)
    (tmp_path / "net.h5").write_bytes(b"\x89HDF\r\n" + b"\0" * 40)
    with zipfile.ZipFile("net.keras", "w") as archive:
        for name in ("metadata.json", "config.json", "model.weights.h5"):
            archive.writestr(name, "{}")
    (tmp_path / "saved/variables").mkdir(parents=True)
    (tmp_path / "saved/saved_model.pb").write_bytes(b"\x08\x01")
    (tmp_path / "saved/variables/variables.index").write_text(pointer)
    (tmp_path / "folder").mkdir()
    save_model("tokens.onnx", {"ids": [1, 8]}, TensorProto.INT64)
    save_model("batch.onnx", {"x": [8, 3]})
    save_model("net.onnx", {"x": [1, 3]})
    save_model("long-" + "a" * 96 + ".onnx", {"x": [1, 3]})
    save_model("two.onnx", {"x": [1, 3], "z": [1, 3]})
    values = np.random.default_rng(0).normal(size=(300, 3)).astype(np.float32)
    np.save("good.npy", values)
    np.save("few.npy", values[:100])
    np.save("same.npy", np.ones((300, 3), np.float32))
    np.save("wide.npy", np.ones((300, 4), np.float32))
    np.save("short.npy", np.arange(30))
    np.save("high.npy", np.arange(300) % 10)
    np.savez("one.npz", x=values)
    values[7, 1] = np.nan
    np.save("holes.npy", values)
    (tmp_path / "ragged.csv").write_text("1,2,3\n4,5\n")
    (tmp_path / "words.csv").write_text("a,b,c\n1,2,3\n4,many,6\n")
    before = list_files(root)
    with pytest.raises(UserError, match=message) as refused:
        main(["model", file, *arguments], root)
    assert "\n" not in str(refused.value) and list_files(root) == before


def test_some_precisions_of_the_preset(root, tmp_path):
    model = str(save_model(tmp_path / "net.onnx", {"x": [1, 3]}))
    before = list_files(root)
    with pytest.raises(UserError, match=r"--precisions fp32,int9: preset ort-cpu has fp32, .*not int9"):
        main(["model", model, "--precisions", "fp32,int9"], root)
    assert list_files(root) == before
    main(["model", model, "--precisions", "int8,fp32"], root)
    campaign = expand(root, "net")
    assert [cell.precision for cell in campaign.cells] == ["int8", "fp32"]
    assert [(item.left.precision, item.right.precision) for item in campaign.comparisons.values()] == [("int8", "fp32")]


def test_an_absolute_path_in_the_configuration_is_told(root, tmp_path, capsys):
    model = save_model(tmp_path / "net.onnx", {"x": [1, 3]})
    main(["model", str(model)], root)
    assert f"the path {model} is outside of the checkout" in capsys.readouterr().out
    main(["model", str(model), "--name", "copied", "--copy"], root)
    assert "outside of the checkout" not in capsys.readouterr().out


def test_paths_and_commands_hold_where_the_user_stands(root, tmp_path, monkeypatch, capsys):
    """From another folder everything is absolute, and the next command goes to the repository first."""
    monkeypatch.chdir(tmp_path)
    save_model("net.onnx", {"x": [1, 3]})
    main(["model", "net.onnx"], root)
    told = capsys.readouterr().out.splitlines()
    assert f"wrote {root}/config/models/net.yaml" in told
    assert told[-1] == f"next: (cd {root} && snakemake --profile local --configfile config/net.yaml)"
    monkeypatch.chdir(root)
    main(["model", "../net.onnx", "--name", "again"], root)
    told = capsys.readouterr().out.splitlines()
    assert "wrote config/models/again.yaml" in told
    assert told[-1] == "next: snakemake --profile local --configfile config/again.yaml"


def save_embedding(path):
    """Save a model with an embedding of ten rows and a number beside it."""
    graph = helper.make_graph(
        [
            helper.make_node("Gather", ["table", "token"], ["row"]),
            helper.make_node("Concat", ["row", "feature"], ["y"], axis=1),
        ],
        "embedding",
        [
            helper.make_tensor_value_info("token", TensorProto.INT64, ["n"]),
            helper.make_tensor_value_info("feature", TensorProto.FLOAT, ["n", 2]),
        ],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 4])],
        [onnx.numpy_helper.from_array(np.ones((10, 2), np.float32), "table")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


@pytest.mark.parametrize(("token", "word"), [(10, "largest"), (-11, "smallest")])
def test_samples_that_the_model_does_not_take_are_refused_with_their_input(root, tmp_path, monkeypatch, token, word):
    monkeypatch.chdir(tmp_path)
    save_embedding("text.onnx")
    tokens, features = np.arange(400) % 10, np.random.default_rng(0).random((400, 2), np.float32)
    np.savez("good.npz", token=tokens, feature=features)
    tokens[123] = token
    np.savez("bad.npz", token=tokens, feature=features)
    message = rf"bad.npz: sample 123, in which input 'token' has its {word} value {token}, does not run: .*idx={token}"
    with pytest.raises(UserError, match=message):
        main(["model", "text.onnx", "--samples", "bad.npz"], root)
    assert not (root / "config/models/text.yaml").exists()
    main(["model", "text.onnx", "--samples", "good.npz"], root)
    assert "# They were shuffled and split" in (root / "config/models/text.yaml").read_text()


def test_as_many_samples_calibrate_as_the_preset_asks_for(root, tmp_path, monkeypatch):
    """Else the int8 of the campaign that this writes could not be built."""
    monkeypatch.chdir(tmp_path)
    save_model("net.onnx", {"x": [1, 3]})
    np.save("samples.npy", np.random.default_rng(0).random((300, 3), np.float32))
    asked = read_yaml(root / "config/presets/ort-cpu-1t.yaml", "preset")["build"]["calibration_samples"]
    main(["model", "net.onnx", "--samples", "samples.npy", "--preset", "ort-cpu-1t"], root)
    made = {
        key: read_tensors(root / f"config/samples/net/{key}.npz")["inputs/x"] for key in ("calibration", "evaluation")
    }
    assert {key: len(array) for key, array in made.items()} == {"calibration": asked, "evaluation": 300 - asked}
    np.save("few.npy", np.random.default_rng(0).random((asked, 3), np.float32))
    with pytest.raises(UserError, match=f"are too few: {asked + 1} different ones are needed"):
        main(["model", "net.onnx", "--samples", "few.npy", "--preset", "ort-cpu-1t", "--name", "few"], root)


def test_the_longest_name_is_what_a_campaign_may_have():
    assert load_schema("campaign")["$defs"]["name"]["maxLength"] == LONGEST_NAME
