"""A server whose limit is known, and `service.json` of one."""

import numpy as np
from edgeproof.adaptation.service_figures import Loaded, ServiceSetting, describe_service
from edgeproof.adaptation.service_load import Answers, draw_schedule
from edgeproof.adaptation.service_records import describe_cold, record_stretch
from edgeproof.core.documents import write_sealed
from edgeproof.core.files import sha256_file
from edgeproof.core.tensors import write_tensors


class MadeUp:
    """A server that holds every rate up to `limit`; between `limit` and `unclear` nobody can tell. Late answers take a
    second, good ones a millisecond. `raw`: gets the answers.
    """

    def __init__(self, limit, unclear=None, setting=None, raw=None):
        self.limit, self.unclear, self.setting, self.raw = limit, unclear or limit, setting or ServiceSetting(), raw

    def close_loop(self, name, clients):
        return self.keep(name, [[1.0] * 50 for _ in range(self.setting.stretches)])

    def open_loop(self, name, arrivals, rate):
        late = 0.0 if rate <= self.limit else 0.02 if rate <= self.unclear else 0.5
        stretches = []
        for number in range(self.setting.stretches):
            count = len(draw_schedule(arrivals, rate, self.setting.seconds, self.setting.seed + number))
            slow = int(late * count) if late != 0.02 or number % 2 else 0
            stretches.append([1000.0] * slow + [1.0] * (count - slow))
        return self.keep(name, stretches)

    def keep(self, name, stretches):
        answers = [
            Answers((np.array(ms) * 1e6).astype("int64"), np.full(len(ms), 200, "int16"), self.setting.seconds)
            for ms in stretches
        ]
        for number, one in enumerate(answers):
            if self.raw is not None:
                record_stretch(self.raw, name, number, one)
        return Loaded(answers, None)


def write_service(folder, family_sha256="0" * 64):
    """Write service.json of a server that holds 130 requests a second, with its raw data beside it."""
    setting, raw = ServiceSetting(seconds=1.0, stretches=3, starts=2, steps=4), {}
    figures = describe_service(MadeUp(130.0, setting=setting, raw=raw), setting)
    raw |= {"cold/ready_s": np.array([1.0, 2.0]), "cold/first_answer_ms": np.array([3.0, 4.0])}
    write_tensors(folder / "service.npz", raw)
    clock = {"machine": None, "clock": "clock_gettime(CLOCK_MONOTONIC)", "resolution_s": 1e-9}
    document = {
        "schema": "edgeproof.service.v2",
        "family": "sums",
        "device": "desk",
        "family_sha256": family_sha256,
        "boundary": "transport",
        "inputs": "random",
        "clocks": {"client": clock, "server": None},
        "setting": setting.__dict__,
        "confidence": 0.95,
        "cold": describe_cold(raw, setting),
        **figures,
        "raw": {"file": "service.npz", "sha256": sha256_file(folder / "service.npz")},
    }
    write_sealed(folder / "service.json", document, "service")
    return folder / "service.json"
