"""Make a model by the recipe diabetes-mlp: train a small regression network on the diabetes data (a second)."""

from edgeproof.core.program_start import run_program
from edgeproof.sources.diabetes_mlp import make_diabetes_mlp
from edgeproof.sources.recipe_program import run_recipe


def main(argv):
    run_recipe(argv, __doc__, __file__, make_diabetes_mlp)


if __name__ == "__main__":
    run_program(main)
