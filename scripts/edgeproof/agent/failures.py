"""Two ways not to get a number: a verdict about the artifact, and no verdict at all."""


class Verdict(Exception):
    """The artifact cannot be measured here, and trying again will not change that.

    `kind` is one of out_of_memory, unsupported_operator, load_failed, provider_unavailable, inference_failed,
    crashed, timed_out.
    """

    def __init__(self, kind, message):
        super().__init__(" ".join(str(message).split())[:2000])
        self.kind = kind


class NoVerdict(Exception):
    """Something outside the artifact went wrong (runtime not installed, wrong board, link lost): try again."""

    def __init__(self, kind, message):
        super().__init__(" ".join(str(message).split())[:2000])
        self.kind = kind
