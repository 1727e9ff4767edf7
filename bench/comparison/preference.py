"""Keeping other programs of a shared machine out of the figures (`--prefer`, needs root)."""
import os
import sys

ROOTS = ("/sys/fs/cgroup/cpu", "/sys/fs/cgroup")
GROUP = "bench-compare"


def prefer(pids, on):
    """Moves processes into (or out of) a CPU group that outweighs everything else."""
    is_v1 = os.path.exists(ROOTS[0] + "/cgroup.procs")
    root = ROOTS[0] if is_v1 else ROOTS[1]
    group = f"{root}/{GROUP}"
    try:
        if on and not os.path.isdir(group):
            os.mkdir(group)
            _write(group + ("/cpu.shares" if is_v1 else "/cpu.weight"), "262144" if is_v1 else "10000")
            if is_v1 and os.path.exists(group + "/cpu.rt_runtime_us"):
                _write(group + "/cpu.rt_runtime_us", "900000")
        for pid in pids:
            try:
                _write((group if on else root) + "/cgroup.procs", str(pid))
            except ProcessLookupError:
                pass
    except OSError as error:
        print(f"!! --prefer: {error}", file=sys.stderr)


def disband():
    """Puts every process back and removes the group."""
    for root in ROOTS:
        group = f"{root}/{GROUP}"
        if os.path.isdir(group):
            try:
                with open(group + "/cgroup.procs") as file:
                    prefer([int(word) for word in file.read().split()], False)
                os.rmdir(group)
            except OSError as error:
                print(f"!! {group} is left behind: {error}", file=sys.stderr)


def realtime(pids, on):
    """Round-robin real-time scheduling, for the runs far below capacity only: without it a wake-up
    waits now and then for another program's time slice, and p99 shows that rather than the gateway."""
    policy = os.SCHED_RR if on else os.SCHED_OTHER
    for pid in pids:
        try:
            threads = [int(entry) for entry in os.listdir(f"/proc/{pid}/task")]
        except OSError:
            continue
        for thread in threads:
            try:
                os.sched_setscheduler(thread, policy, os.sched_param(1 if on else 0))
            except OSError:
                pass


def _write(path, text):
    with open(path, "w") as file:
        file.write(text)
