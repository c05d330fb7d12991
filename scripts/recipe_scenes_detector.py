"""Make a model by the recipe scenes-detector: train a small detector on synthetic scenes (seconds)."""

from edgeproof.core.program_start import run_program
from edgeproof.sources.recipe_program import run_recipe
from edgeproof.sources.scenes_detector import make_scenes_detector


def main(argv):
    run_recipe(argv, __doc__, __file__, make_scenes_detector)


if __name__ == "__main__":
    run_program(main)
