"""What /proc tells about processes and about the machine. Linux only."""
import os
import platform
import socket

TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def parent_and_cpu(pid):
    """The parent's pid, and user + system time in ticks."""
    with open(f"/proc/{pid}/stat") as file:
        text = file.read()
    fields = text[text.rindex(")") + 2:].split()
    return int(fields[1]), int(fields[11]) + int(fields[12])


def tree(pid):
    """A process and its descendants."""
    if not pid:
        return []
    children = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                children.setdefault(parent_and_cpu(entry)[0], []).append(int(entry))
            except OSError:
                pass
    found, todo = [], [pid]
    while todo:
        found.append(todo.pop())
        todo += children.get(found[-1], [])
    return found


def cpu_s(pids):
    ticks = 0
    for pid in pids:
        try:
            ticks += parent_and_cpu(pid)[1]
        except OSError:
            pass
    return ticks / TICKS_PER_S


def memory_mib(pids):
    """RSS and peak RSS summed over the processes, and PSS (shared pages split)."""
    kib = {"VmRSS:": 0, "VmHWM:": 0, "Pss:": 0}
    for pid in pids:
        for name in ("status", "smaps_rollup"):
            try:
                with open(f"/proc/{pid}/{name}") as file:
                    for line in file:
                        words = line.split()
                        if words and words[0] in kib:
                            kib[words[0]] += int(words[1])
            except OSError:
                pass
    return {"rss": kib["VmRSS:"] / 1024, "peak": kib["VmHWM:"] / 1024, "pss": kib["Pss:"] / 1024, "procs": len(pids)}


def machine_cpu_s():
    """Seconds the machine was busy, and seconds stolen from it by its host, since it was started."""
    with open("/proc/stat") as file:
        ticks = [int(word) for word in file.readline().split()[1:]]
    # user nice system irq softirq steal: everything that is not idle or iowait
    return sum(ticks[i] for i in (0, 1, 2, 5, 6, 7)) / TICKS_PER_S, ticks[7] / TICKS_PER_S


def machine():
    """What the figures were taken on."""
    model, memory_kib = "unknown", 0
    with open("/proc/cpuinfo") as file:
        for line in file:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    with open("/proc/meminfo") as file:
        for line in file:
            if line.startswith("MemTotal:"):
                memory_kib = int(line.split()[1])
    return {"cpu": model, "cores": os.cpu_count(), "memory_gib": round(memory_kib / 1024 / 1024, 1),
            "system": f"{platform.system()} {platform.release().split('-')[0]}"}


def is_listening(port):
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def listener_pid(port):
    """The process that listens on a port; of several the parent (nginx master, uvicorn supervisor)."""
    sockets = set()
    for name in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            with open(name) as file:
                for line in file.readlines()[1:]:
                    columns = line.split()
                    if columns[3] == "0A" and int(columns[1].rsplit(":", 1)[1], 16) == port:
                        sockets.add(f"socket:[{columns[9]}]")
        except OSError:
            pass
    owners = [int(entry) for entry in os.listdir("/proc") if entry.isdigit() and _holds_one_of(entry, sockets)]
    for pid in owners:
        try:
            if parent_and_cpu(pid)[0] not in owners:
                return pid
        except OSError:
            pass
    return owners[0] if owners else None


def _holds_one_of(pid, sockets):
    try:
        return any(os.readlink(f"/proc/{pid}/fd/{fd}") in sockets for fd in os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        return False
