"""What the rules ask of a pipeline: its cells, the models of its stages, and what links, scenario and plans rest on."""

from collections.abc import Collection, Mapping
from typing import Any

from .cells import Cells
from .configuration import Json
from .errors import UserError
from .layout import Cell, plan_folder, source_folder
from .pipelines import HOST, is_chain, list_cells, list_cut_points, list_readings, name_stage_model


class Stages:
    """The catalogue of pipelines, and what it says of one pipeline or of the model of one stage.

    `channels_last`: the backends that keep images with their channels last. They rearrange what crosses to others.
    """

    def __init__(self, cells: Cells, channels_last: Collection[str]) -> None:
        self.cells, self.channels_last = cells, channels_last
        self.pipelines: Mapping[str, Json] = cells.pipelines

    # A stage, by the name of its model

    def pipeline_of_stage(self, model: str) -> Json:
        """Return the configuration of the pipeline that a stage's model was cut for."""
        return self.pipelines[self.cells.models[model]["source"]["pipeline"]]

    def cut_points_of(self, model: str) -> tuple[Any, ...]:
        """Return (inputs, outputs) of a stage's model, as names of tensors; None for those of the whole model."""
        return list_cut_points(self.pipeline_of_stage(model), self.cells.models[model]["source"]["number"])

    def stages_before(self, model: str) -> list[str]:
        """Return the models of the stages that a stage reads; none where it reads the input of the pipeline."""
        source, document = self.cells.models[model]["source"], self.pipeline_of_stage(model)
        place: int = source["number"]
        return [name_stage_model(source["pipeline"], document, number) for number in list_readings(document)[place]]

    def models_before(self, model: str) -> list[str]:
        """Return the ONNX files of the stages that a stage reads."""
        return [f"{source_folder(before)}/model.onnx" for before in self.stages_before(model)]

    def samples_before(self, model: str, name: str) -> list[str]:
        """Return the sets (`evaluation` or `calibration`) that become a stage's: of those it reads, or of the whole."""
        before = self.stages_before(model) or [self.pipeline_of_stage(model)["model"]]
        return [f"{source_folder(other)}/samples/{name}.npz" for other in before]

    # A pipeline, by its name

    def readings_of(self, pipeline: str) -> list[list[int]]:
        """Return per stage of a pipeline the numbers of the stages that it reads."""
        return list_readings(self.pipelines[pipeline])

    def cells_of(self, pipeline: str) -> list[Cell]:
        """Return the cells of a pipeline, in the order of stages, executors and precisions."""
        return [cell for _, _, cell in list_cells(pipeline, self.pipelines[pipeline])]

    def device_of(self, pipeline: str) -> str:
        """Return the device on which a pipeline's links are measured and its plans are run; all executors share it."""
        devices = {executor["device"] for executor in self.pipelines[pipeline]["executors"]}
        if len(devices) > 1:
            raise UserError(
                f"{pipeline}: its executors are on {', '.join(sorted(devices))}; links can be measured and plans run "
                "only within one device"
            )
        return devices.pop()

    def models_of(self, pipeline: str) -> list[str]:
        """Return the models of a pipeline's stages."""
        document = self.pipelines[pipeline]
        return [name_stage_model(pipeline, document, number) for number in range(len(document["stages"]))]

    def stage_files(self, pipeline: str, name: str) -> list[str]:
        """Return one file of the sources room for every stage of a pipeline."""
        return [f"{source_folder(model)}/{name}" for model in self.models_of(pipeline)]

    def cut_folders(self, pipeline: str) -> list[str]:
        """Return the source folders of a cut model and of its stages."""
        return [source_folder(model) for model in (self.pipelines[pipeline]["model"], *self.models_of(pipeline))]

    def links_of(self, pipeline: str) -> list[str]:
        """Return the measured links of a pipeline, as a list of none or one file."""
        return [f"{plan_folder(pipeline)}/links.json"] if "measure" in self.pipelines[pipeline]["links"] else []

    def cut_of(self, pipeline: str) -> list[str]:
        """Return the proof that a pipeline's cut is the whole, as a list of none or one file."""
        return [f"{plan_folder(pipeline)}/cut.json"] if "model" in self.pipelines[pipeline] else []

    def references_of(self, pipeline: str) -> list[str]:
        """Return what each artifact of a cut made of the first sample; chained models have samples of their own."""
        if "model" not in self.pipelines[pipeline]:
            return []
        return [f"{self.cells.artifact_folder_of(cell)}/reference.npz" for cell in self.cells_of(pipeline)]

    def links_arm(self, pipeline: str) -> Json:
        """Return what decides how a pipeline's links are measured: interpreters, layouts and sizes."""
        document = self.pipelines[pipeline]
        executors = {HOST: {"interpreter": None, "channels_last": False}}
        for _, name, cell in list_cells(pipeline, document):
            arm = self.cells.arm_of(cell)
            channels_last = arm["backend"] in self.channels_last
            executors[name] = {"interpreter": arm.get("interpreter"), "channels_last": channels_last}
        backends = {self.cells.presets[executor["preset"]]["backend"] for executor in document["executors"]}
        between = {"between_calls": document["between_calls"]} if "between_calls" in document else {}
        return {"executors": executors, "simulated": backends == {"fake"}, **between, **document["links"]["measure"]}

    def describe_scenario(self, pipeline: str) -> Json:
        """Return what of a pipeline decides its scenario: not its goals, and not how its links are measured."""
        document = self.pipelines[pipeline]
        kept = {
            key: document[key] for key in ("execution", "constraints", "contention", "stage_error") if key in document
        }
        return kept | {
            "stages": [{"name": stage["name"]} for stage in document["stages"]],
            **({} if is_chain(document) else {"reads": list_readings(document)}),
            "executors": document["executors"],
            "links": {"declare": document["links"].get("declare", [])},
        }

    def describe_cells(self, pipeline: str, arms: bool = False) -> list[Json]:
        """Return stage, executor and precision of a pipeline's cells; with the agent's arms if asked."""
        document = self.pipelines[pipeline]
        return [
            {
                "stage": number,
                "name": document["stages"][number]["name"],
                "executor": executor,
                "precision": cell.precision,
                **({"arm": self.cells.arm_of(cell)} if arms else {}),
            }
            for number, executor, cell in list_cells(pipeline, document)
        ]
