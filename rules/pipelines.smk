# What the rules of sources and plans ask about pipelines. No rules here.

PLAN_FILES = ("plan.json", "plan.csv", "pareto.csv", "plan.txt", "plan.html", "check.json", "samples.csv")


def pipeline_of(wildcards):
    """Return the configuration of a pipeline."""
    return CATALOGUES["pipeline"][wildcards.pipeline]


def cells_of_pipeline(wildcards):
    """Return the cells of a pipeline, in the order of stages, executors and precisions."""
    return [cell for _, _, cell in list_cells(wildcards.pipeline, pipeline_of(wildcards))]


def device_of_pipeline(wildcards):
    """Return the device on which a pipeline's links are measured and its plans are run: the one of all its executors."""
    devices = {executor["device"] for executor in pipeline_of(wildcards)["executors"]}
    if len(devices) > 1:
        raise WorkflowError(
            f"{wildcards.pipeline}: its executors are on {', '.join(sorted(devices))}; only within one device are links"
            " measured and plans run"
        )
    return devices.pop()


def pipeline_of_stage(wildcards):
    """Return the configuration of the pipeline that a stage's model was cut for."""
    return CATALOGUES["pipeline"][model_of(wildcards.model)["source"]["pipeline"]]


def cut_points_of(wildcards):
    """Return (inputs, outputs) of a stage's model."""
    return list_cut_points(pipeline_of_stage(wildcards), model_of(wildcards.model)["source"]["number"])


def stage_before(wildcards):
    """Return the model of the stage before, None for the first."""
    source = model_of(wildcards.model)["source"]
    if source["number"] == 0:
        return None
    return name_stage_model(source["pipeline"], pipeline_of_stage(wildcards), source["number"] - 1)


def model_before(wildcards):
    """Return the ONNX file of the stage before as a list of none or one."""
    before = stage_before(wildcards)
    return [f"{source_folder(before)}/model.onnx"] if before else []


def samples_before(wildcards):
    """Return the folder of the samples that become a stage's: of the stage before, or of the whole model."""
    return f"{source_folder(stage_before(wildcards) or pipeline_of_stage(wildcards)['model'])}/samples"


def stage_models_of(wildcards):
    """Return the models of a pipeline's stages."""
    document = pipeline_of(wildcards)
    return [name_stage_model(wildcards.pipeline, document, number) for number in range(len(document["stages"]))]


def stage_files(wildcards, name):
    """Return one file of the sources room for every stage of a pipeline."""
    return [f"{source_folder(model)}/{name}" for model in stage_models_of(wildcards)]


def cut_folders(wildcards):
    """Return the source folders of a cut model and of its stages."""
    return [source_folder(model) for model in (pipeline_of(wildcards)["model"], *stage_models_of(wildcards))]


def links_of(wildcards):
    """Return the measured links of a pipeline, as a list of none or one file."""
    return [f"{plan_folder(wildcards.pipeline)}/links.json"] if "measure" in pipeline_of(wildcards)["links"] else []


def cut_of(wildcards):
    """Return the proof that a pipeline's cut is the whole, as a list of none or one file."""
    return [f"{plan_folder(wildcards.pipeline)}/cut.json"] if "model" in pipeline_of(wildcards) else []


def references_of(wildcards):
    """Return what each artifact of a cut made of the first sample; models chained as they are have samples of their own."""
    if "model" not in pipeline_of(wildcards):
        return []
    return [f"{artifact_folder_of(cell)}/reference.npz" for cell in cells_of_pipeline(wildcards)]


def links_arm(wildcards):
    """Return what decides how a pipeline's links are measured: between which interpreters and layouts, which sizes."""
    document = pipeline_of(wildcards)
    executors = {HOST: {"interpreter": None, "channels_last": False}}
    for _, name, cell in list_cells(wildcards.pipeline, document):
        arm = arm_of(cell)
        channels_last = FORMATS[CATALOGUES["preset"][cell.preset]["artifact"]].channels_last
        executors[name] = {"interpreter": arm.get("interpreter"), "channels_last": channels_last}
    presets = [CATALOGUES["preset"][executor["preset"]] for executor in document["executors"]]
    simulated = all(preset["backend"] == "fake" for preset in presets)
    between = {"between_calls": document["between_calls"]} if "between_calls" in document else {}
    return {"executors": executors, "simulated": simulated, **between, **document["links"]["measure"]}


def scenario_snapshot(wildcards):
    """Return what of a pipeline decides its scenario: not its goals, and not how its links are measured."""
    document = pipeline_of(wildcards)
    kept = {key: document[key] for key in ("execution", "constraints") if key in document}
    return kept | {
        "stages": [{"name": stage["name"]} for stage in document["stages"]],
        "executors": document["executors"],
        "links": {"declare": document["links"].get("declare", [])},
    }


def describe_cells(wildcards, arms=False):
    """Return stage, executor and precision of a pipeline's cells, for a rule's params; with the agent's arms if asked."""
    document = pipeline_of(wildcards)
    return [
        {
            "stage": number,
            "name": document["stages"][number]["name"],
            "executor": executor,
            "precision": cell.precision,
            **({"arm": arm_of(cell)} if arms else {}),
        }
        for number, executor, cell in list_cells(wildcards.pipeline, document)
    ]


def list_plans():
    """Return [pipeline, goal] of every plan that the campaign wants."""
    return [[name, goal] for name in CAMPAIGN.pipelines for goal in CATALOGUES["pipeline"][name]["goals"]]


def planned_files(*names):
    """Return these files of every plan that the campaign wants."""
    return [f"{plan_folder(pipeline, goal)}/{name}" for pipeline, goal in list_plans() for name in names]


def plan_targets():
    """Return every file that planning the campaign's pipelines makes."""
    targets = []
    for name in CAMPAIGN.pipelines:
        document, folder = CATALOGUES["pipeline"][name], plan_folder(name)
        cells = list(dict.fromkeys(cell for _, _, cell in list_cells(name, document)))
        targets += [
            f"{source_folder(model)}/{file}" for model in dict.fromkeys(c.model for c in cells) for file in SOURCE_FILES
        ]
        targets += [f"{artifact_folder_of(cell)}/{file}" for cell in cells for file in ARTIFACT_FILES]
        targets += [f"{run_folder(cell)}/{file}" for cell in cells for file in RUN_FILES]
        targets += [f"{folder}/scenario.json"]
        targets += [f"{folder}/links.json"] if "measure" in document["links"] else []
        targets += [f"{folder}/cut.json"] if "model" in document else []
    return targets + planned_files(*PLAN_FILES)
