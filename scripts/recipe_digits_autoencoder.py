"""Make a model by the recipe digits-autoencoder: train a network that squeezes and restores digits (seconds)."""

from edgeproof.core.program_start import run_program
from edgeproof.sources.digits_autoencoder import make_digits_autoencoder
from edgeproof.sources.recipe_program import run_recipe


def main(argv):
    run_recipe(argv, __doc__, __file__, make_digits_autoencoder)


if __name__ == "__main__":
    run_program(main)
