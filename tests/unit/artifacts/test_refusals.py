"""Models that cannot be deployed as they are end in one clear line, before anything is written."""

import onnx
import pytest
from edgeproof.core.documents import read_json, write_json
from edgeproof.core.errors import UserError
from edgeproof.core.files import sha256_file
from edgeproof.sources.identity import identify_model
from onnx import TensorProto

from .conftest import make_classifier

HUGE = 2_400_000_000  # bytes of weights, beyond what one protobuf file can hold


def make_huge(folder):
    """Write a model with 2.4 GB of weights in a file beside it; the file is sparse and takes no room."""
    model = make_classifier()
    weight = next(item for item in model.graph.initializer if item.name == "matrix")
    weight.CopyFrom(TensorProto(name="matrix", data_type=TensorProto.FLOAT, dims=[HUGE // 40, 10]))
    weight.data_location = TensorProto.EXTERNAL
    for key, value in (("location", "weights.bin"), ("offset", "0"), ("length", str(HUGE))):
        weight.external_data.add(key=key, value=value)
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    with open(folder / "weights.bin", "wb") as stream:
        stream.truncate(HUGE)


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_a_model_beyond_two_gigabytes_is_refused_without_reading_its_weights(job, precision):
    make_huge(job.folder)
    identity = read_json(job.identity, "identity")
    write_json(job.identity, {**identity, "sha256": sha256_file(job.source)}, "identity")
    with pytest.raises(UserError, match=r"weights are kept in 'weights\.bin' beside it; .* \(below 2 GB\)") as error:
        job.build(precision)
    assert "\n" not in str(error.value) and not (job.folder / precision).exists()


def test_a_file_that_is_no_model_is_refused(job):
    job.source.write_bytes(b"no model")
    identity = read_json(job.identity, "identity")
    write_json(job.identity, {**identity, "sha256": sha256_file(job.source)}, "identity")
    with pytest.raises(UserError, match="not an ONNX model"):
        job.build("fp32")


def test_a_model_that_breaks_the_specification_gets_no_artifact(job):
    model = onnx.load(job.source)
    model.graph.node[0].input[0] = "nowhere"
    onnx.save(model, job.source)
    with pytest.raises(UserError, match=r"but .*identity\.json says .*; identify it again"):
        job.build("fp32")
    assert identify_model("tiny", job.source, job.identity).kind == "refused"
    with pytest.raises(UserError, match=r"onnx\.checker refuses the model"):
        job.build("fp32")
