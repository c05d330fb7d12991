"""How often each sampler that may give power reads it, unless its options say; hosts plan pairs by it."""

INTERVALS_MS = {"hwmon": 20, "nvml": 50, "rapl": 50, "tegrastats": 100, "vcgencmd": 500}
