"""The supervisor of a host: its processes live in it, and die with the lease that it holds.

    starter (demo, `liveset agent`)
    └─ outer    the service processor: buries the host, publishes its obituary         outer.py
       └─ guard    holds the kernel's timer; its death is the death of the host        guard.py
          └─ init     process 1 of a PID namespace: starts and reaps all the rest      init.py
             ├─ agent    started again when it ends
             ├─ daemon   started on request; renews the lease over a channel to the guard   lease.py
             └─ VMs      children of init, so that they outlive an agent               vm.py

Each arrow down is a death that follows another (PDEATHSIG); below init nothing can leave (namespace.py). So: the lease
ends → the kernel kills the guard → the kernel kills init → the kernel kills all the rest; no program has to run for it.

Rules: whatever is in doubt fences (an unreadable message, a daemon that died holding a lease); a fence on request has
its reason on the disk first; an obituary is published only when no process is left; a host never starts itself again.

What is left out: who decides about leases (the daemon's machines), how an obituary travels (`HostConfig.obituary`).
"""

from hosts.supervisor.client import DaemonStatus, HostControl, HostStatus, RunningVm, SupervisorClient
from hosts.supervisor.config import HostConfig, Obituary
from hosts.supervisor.init import started_arguments
from hosts.supervisor.lease import Lease
from hosts.supervisor.start import start_host

__all__ = [
    "DaemonStatus",
    "HostConfig",
    "HostControl",
    "HostStatus",
    "Lease",
    "Obituary",
    "RunningVm",
    "SupervisorClient",
    "start_host",
    "started_arguments",
]
