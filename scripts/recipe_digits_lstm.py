"""Make a model by the recipe digits-lstm: train a recurrent network that reads the UCI digits row by row (seconds)."""

from edgeproof.core.program_start import run_program
from edgeproof.sources.digits_lstm import make_digits_lstm
from edgeproof.sources.recipe_program import run_recipe


def main(argv):
    run_recipe(argv, __doc__, __file__, make_digits_lstm)


if __name__ == "__main__":
    run_program(main)
