"""Make a model by the recipe onnx-light: a topology that the onnx package carries, with seeded weights."""

from edgeproof.core.program_start import run_program
from edgeproof.sources.onnx_light import make_onnx_light
from edgeproof.sources.recipe_program import run_recipe


def main(argv):
    run_recipe(argv, __doc__, __file__, make_onnx_light)


if __name__ == "__main__":
    run_program(main)
