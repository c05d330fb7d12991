"""Make a model by the recipe digits-cnn: train a small convolutional network on the UCI digits (about a minute)."""

from edgeproof.core.program_start import run_program
from edgeproof.sources.digits_cnn import make_digits_cnn
from edgeproof.sources.recipe_program import run_recipe


def main(argv):
    run_recipe(argv, __doc__, __file__, make_digits_cnn)


if __name__ == "__main__":
    run_program(main)
