"""What a placement costs, written from the words of docs/plans.md on the scenario's document alone.

It shares no code with the planner or its verifier, and computes in fractions.
"""

import itertools
from fractions import Fraction

SLACK = Fraction(1, 10**9)
CAPS = {
    "latency": "max_total_latency_ms",
    "energy": "max_total_energy_mj",
    "accuracy": "max_accuracy_drop",
    "period": "max_period_ms",
}
WEIGHTS = {"latency": ("1", "0.2", "0.08"), "efficiency": ("0.35", "1", "0.08"), "balanced": ("0.75", "0.75", "0.08")}
METRICS = {
    "min-latency": ["latency"],
    "min-energy": ["energy"],
    "throughput": ["period"],
    "accuracy-first": ["accuracy", "latency", "energy"],
}
CALLER = "the caller"  # makes the input of the whole pipeline and reads its output


def exact(number):
    return Fraction(str(number))


class PlainCosts:
    """A version 2 document with names looked up; `tensors` are (producer, readers, MB), `options` (device, profile)."""

    def __init__(self, document, goal):
        self.document, self.goal = document, goal
        self.stages = {stage["name"]: stage for stage in document["stages"]}
        self.devices = {device["name"]: device for device in document["devices"]}
        self.links = {}
        for number, link in enumerate(document["links"]):
            self.links[link["source"], link["target"]] = (number, link)
            if link["bidirectional"]:
                self.links[link["target"], link["source"]] = (number, link)
        self.idle = sum(exact(d.get("idle_mw", 0)) for d in document["devices"]) / 1000  # mJ per ms
        self.options = {name: self._list_options(stage) for name, stage in self.stages.items()}
        self.tensors = self._list_tensors()
        self.before = {s: {made for made, readers, _ in self.tensors if s in readers} - {CALLER} for s in self.stages}
        self.order = []
        while len(self.order) < len(self.stages):
            done = set(self.order)
            self.order.append(next(s for s in self.stages if s not in done and self.before[s] <= done))
        caps = document.get("constraints", {})
        self.caps = {metric: exact(caps[key]) for metric, key in CAPS.items() if caps.get(key) is not None}
        self.overlaps = document["execution"] == "pipelined" or "period" in self.caps or "period" in self.list_metrics()
        floor = Fraction(1, 10**6)
        self.references = [
            max(floor, sum(min(cost(*option) for option in row) for row in self.options.values()))
            for cost in (self.lasts, self.draws)
        ]

    def _list_options(self, stage):
        return [
            (device, variant)
            for device in self.devices
            if device in stage["profiles"]
            for variant in as_list(stage["profiles"][device])
        ]

    def _list_tensors(self):
        document, names = self.document, list(self.stages)
        if "edges" in document:
            grouped = {}
            for edge in document["edges"]:
                size = edge.get("output_mb", self.stages[edge["source"]]["output_mb"])
                grouped.setdefault((edge["source"], edge.get("tensor")), ([], size))[0].append(edge["target"])
            tensors = [(made, readers, exact(size)) for (made, _), (readers, size) in grouped.items()]
        else:
            pairs = itertools.pairwise(names)
            tensors = [(a, [b], exact(self.stages[a]["output_mb"])) for a, b in pairs]
        if "ingest" in document:
            fed = {reader for _, readers, _ in tensors for reader in readers}
            firsts = [name for name in names if name not in fed]
            tensors.append((CALLER, firsts, exact(document["ingest"]["input_mb"])))
        if "egress" in document:
            makers = {made for made, _, _ in tensors}
            lasts = [name for name in names if name not in makers]
            tensors += [(name, [CALLER], exact(self.stages[name]["output_mb"])) for name in lasts]
        return tensors

    def derate(self, device):
        """Return by which (latency, energy) a device's profiles are multiplied."""
        curve = self.devices[device].get("sustained")
        if self.document.get("thermal") != "sustained" or curve is None:
            return Fraction(1), Fraction(1)
        points = [{"after_s": 0, **curve}] if isinstance(curve, dict) else curve
        asked = self.document.get("sustained_s", points[-1]["after_s"])
        at = exact(min(max(asked, points[0]["after_s"]), points[-1]["after_s"]))
        values = []
        for key in ("latency_factor", "energy_factor"):
            value = exact(points[0].get(key, 1))
            for left, right in itertools.pairwise(points):
                a, b = exact(left["after_s"]), exact(right["after_s"])
                low, high = exact(left.get(key, 1)), exact(right.get(key, 1))
                value += (high - low) * min(max((at - a) / (b - a), Fraction(0)), Fraction(1))
            values.append(value)
        return tuple(values)

    def lasts(self, device, variant):
        return exact(variant["latency_ms"]) * self.derate(device)[0]

    def draws(self, device, variant):
        return exact(variant["energy_mj"]) * self.derate(device)[1] + self.idle * self.lasts(device, variant)

    def list_metrics(self):
        return METRICS.get(self.goal) or (self.goal[4:].split(",") if self.goal.startswith("lex:") else [])

    def list_copies(self, where):
        """Return the copies as (tensor, from, to, readers there, ms, mJ, link); None when a link is missing."""
        copies = []
        for number, (made, readers, size) in enumerate(self.tensors):
            home = self.document["ingest"]["device"] if made == CALLER else where[made]
            targets = {}
            for reader in readers:
                target = self.document["egress"]["device"] if reader == CALLER else where[reader]
                if target != home:
                    targets.setdefault(target, []).append(reader)
            for target, there in targets.items():
                if (home, target) not in self.links:
                    return None
                channel, link = self.links[home, target]
                ms = size * exact(link["latency_ms_per_mb"]) + exact(link.get("setup_ms", 0))
                mj = size * exact(link["energy_mj_per_mb"]) + exact(link.get("setup_mj", 0)) + self.idle * ms
                copies.append((number, home, target, there, ms, mj, channel))
        return copies

    def measure(self, chosen):
        """Return what a placement {stage: option} costs executed serially; None when it is not possible."""
        modes = {(device, v["mode"]) for device, v in chosen.values() if "mode" in v}
        where = {stage: device for stage, (device, _) in chosen.items()}
        copies = self.list_copies(where)
        if copies is None or len({device for device, _ in modes}) < len(modes):
            return None
        clock, energy, ends, fetched, last = Fraction(0), Fraction(0), {}, set(), None
        for stage in self.order:
            device, variant = chosen[stage]
            for number, copy in enumerate(copies):
                if stage in copy[3] and number not in fetched:
                    fetched.add(number)
                    clock += copy[4]
            wakes = exact(self.devices[device].get("entry_ms", 0)) if device != last else 0
            clock += wakes + self.lasts(device, variant)
            energy += self.idle * wakes + self.draws(device, variant)
            ends[stage], last = clock, device
        clock += sum(copy[4] for copy in copies if copy[3] == [CALLER])
        busy = {}
        for device, variant in chosen.values():
            busy[device] = busy.get(device, 0) + self.lasts(device, variant)
        for copy in copies:
            busy[copy[6]] = busy.get(copy[6], 0) + copy[4]
        return {
            "latency": clock,
            "energy": energy + sum(copy[5] for copy in copies),
            "switches": sum(1 for copy in copies if CALLER not in (self.tensors[copy[0]][0], copy[3][0])),
            "accuracy": sum(exact(variant["accuracy_drop"]) for _, variant in chosen.values()),
            "period": max(busy.values()),
            "copies": copies,
            "ends": ends,
        }

    def list_inner_tensors(self):
        """Return (number, producer, readers, MB) of the tensors between stages; others lie with the caller."""
        return [(k, a, r, mb) for k, (a, r, mb) in enumerate(self.tensors) if a != CALLER and r != [CALLER]]

    def weigh(self, chosen):
        """Return the MB of weights on each device."""
        used, groups = dict.fromkeys(self.devices, Fraction(0)), set()
        for device, variant in chosen.values():
            group = (device, variant.get("shared_weights"))
            if group[1] is None or group not in groups:
                used[device] += exact(variant["weights_mb"])
            groups.add(group)
        return used

    def fill_memory(self, chosen):
        """Return the MB in use on each device, for one input at a time or for overlapping ones."""
        used, where = self.weigh(chosen), {stage: device for stage, (device, _) in chosen.items()}
        if self.overlaps:
            for device, variant in chosen.values():
                used[device] += exact(variant["activations_mb"])
            for _, made, readers, size in self.list_inner_tensors():
                for device in {where[made], *(where[reader] for reader in readers)}:
                    used[device] += 2 * size
            return used
        peak = dict.fromkeys(used, Fraction(0))
        for now, stage in enumerate(self.order):
            live = dict.fromkeys(used, Fraction(0))
            live[where[stage]] += exact(chosen[stage][1]["activations_mb"])
            for _, made, readers, size in self.list_inner_tensors():
                for device in {where[made], *(where[reader] for reader in readers)}:
                    steps = [self.order.index(r) for r in readers if device in (where[r], where[made])]
                    steps += [self.order.index(made)] if device == where[made] else []
                    live[device] += size if min(steps) <= now <= max(steps) else 0
            peak = {device: max(peak[device], live[device]) for device in used}
        return {device: used[device] + peak[device] for device in used}

    def keeps(self, totals, used):
        """Return whether totals keep the caps and the used memory the budgets."""
        return all(totals[metric] <= cap + SLACK for metric, cap in self.caps.items()) and all(
            amount <= exact(self.devices[device]["memory_mb"]) + SLACK for device, amount in used.items()
        )

    def keeps_deadlines(self, ends):
        deadlines = {stage: spec.get("deadline_ms") for stage, spec in self.stages.items()}
        return all(due is None or ends[stage] <= exact(due) + SLACK for stage, due in deadlines.items())

    def grade(self, totals):
        """Return the values of the goal's levels."""
        if self.goal in WEIGHTS:
            parts = (totals["latency"] / self.references[0], totals["energy"] / self.references[1], totals["switches"])
            return [sum(exact(w) * part for w, part in zip(WEIGHTS[self.goal], parts, strict=True))]
        return [totals[metric] for metric in self.list_metrics()]


def as_list(profile):
    return profile if isinstance(profile, list) else [profile]
