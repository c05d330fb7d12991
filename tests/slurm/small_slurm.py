"""A Slurm of two nodes on this machine, without accounting: real daemons, each told to be the node of a board."""

import os
import socket
import subprocess
import time
from pathlib import Path

_CONFIG = """ClusterName=edge
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={root}/run/munge.sock
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
SlurmctldPort={ports[0]}
SlurmctldPidFile={root}/run/slurmctld.pid
SlurmdPidFile={root}/run/slurmd.%n.pid
StateSaveLocation={root}/state
SlurmdSpoolDir={root}/spool/%n
SlurmctldLogFile={root}/log/slurmctld.log
SlurmdLogFile={root}/log/slurmd.%n.log
ProctrackType=proctrack/linuxproc
ReturnToService=2
SlurmdParameters=config_overrides
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=sched_interval=1,bf_interval=1,batch_sched_delay=0,sched_min_interval=1
MinJobAge=3600
KillWait=15
GresTypes=board
NodeName=orin NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]} CPUs=2 RealMemory=4000 Features=jetson Gres=board:1
NodeName=pi NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[2]} CPUs=2 RealMemory=4000 Features=rpi5 Gres=board:1
PartitionName=edge Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""
_GRES = "NodeName=orin,pi Name=board Count=1 Flags=CountOnly\n"
# The plugin takes every SLURM variable from its jobs' srun, and a Slurm outside of /etc needs one.
_SRUN = '#!/bin/sh\nSLURM_CONF={root}/slurm.conf exec /usr/bin/srun "$@"\n'
NODES = ("orin", "pi")


class SmallSlurm:
    """The daemons; `environment` is what its clients need. `root`: a short path, for a socket is in it."""

    def __init__(self, root):
        self.root = Path(root)
        for name in ("state", "log", "run", "bin", "tmp", *(f"spool/{node}" for node in NODES)):
            (self.root / name).mkdir(parents=True)
        host = socket.gethostname().split(".")[0]
        (self.root / "slurm.conf").write_text(_CONFIG.format(host=host, root=self.root, ports=_find_ports(3)))
        (self.root / "gres.conf").write_text(_GRES)
        shim = self.root / "bin/srun"
        shim.write_text(_SRUN.format(root=self.root))
        shim.chmod(0o755)
        self.environment = {
            "SLURM_CONF": str(self.root / "slurm.conf"),
            "TMPDIR": str(self.root / "tmp"),
            "PATH": f"{self.root / 'bin'}{os.pathsep}{os.environ['PATH']}{os.pathsep}/usr/sbin",
        }
        self._daemons = []

    def start(self):
        """Start all daemons and wait until the nodes can work."""
        config, run = str(self.root / "slurm.conf"), self.root / "run"
        (run / "munge.key").touch(0o600)
        (run / "munge.key").write_bytes(os.urandom(128))
        files = {"socket": "munge.sock", "key-file": "munge.key", "pid-file": "munge.pid", "seed-file": "munge.seed"}
        told = [f"--{name}={run / file}" for name, file in files.items()]
        self._start("munged", "-F", "--force", *told, f"--log-file={self.root / 'log/munge.log'}")
        self.wait_for(lambda: (run / "munge.sock").exists())
        self._start("slurmctld", "-D", "-c", "-f", config)
        for node in NODES:
            self._start("slurmd", "-D", "-N", node, "-f", config)
        self.wait_for(lambda: self.ask("sinfo", "-h", "-N", "-t", "idle", "-o", "%N").split() == sorted(NODES))

    def _start(self, *command):
        environment = {**os.environ, **self.environment}
        with (self.root / f"log/{len(self._daemons)}-{command[0]}.txt").open("w") as log:
            self._daemons.append(subprocess.Popen(command, stdout=log, stderr=log, env=environment))

    def stop(self):
        """Stop all daemons, the last first."""
        for daemon in reversed(self._daemons):
            daemon.terminate()
            daemon.wait(20)

    def ask(self, *command):
        """Run a client of Slurm and return what it printed, nothing while the controller is not there."""
        done = subprocess.run(command, env={**os.environ, **self.environment}, text=True, capture_output=True)
        return done.stdout

    def list_jobs(self, *fields):
        """Return the values of these fields (of squeue's --Format) of every job, ended ones too."""
        text = self.ask("squeue", "-h", "-t", "all", "-O", ",".join(f"{field}:40" for field in fields))
        starts = range(0, 40 * len(fields), 40)
        return [tuple(line[place : place + 40].strip() for place in starts) for line in text.splitlines()]

    def find_job(self, state, feature):
        """Wait for a job in this state that wants a node with this feature, and return its id."""
        found = []

        def look():
            found[:] = [job for job, *rest in self.list_jobs("jobid", "state", "feature") if rest == [state, feature]]
            return found

        self.wait_for(look)
        return found[0]

    def wait_for(self, condition, seconds=300):
        """Ask again and again until it is so; fail with the controller's last words after this many seconds."""
        until = time.monotonic() + seconds
        while not condition():
            log = self.root / "log/slurmctld.log"
            assert time.monotonic() < until, log.read_text()[-2000:] if log.exists() else "no log"
            time.sleep(0.1)


def _find_ports(count):
    """Return ports that nobody listens on."""
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports
