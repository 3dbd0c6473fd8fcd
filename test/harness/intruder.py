# An application that tries to get around its proxy; prints one JSON object: attempt -> "refused: why" or "done". Argument: the run directory.
import ctypes
import json
import os
import signal
import socket
import subprocess
import sys

run_dir = sys.argv[1]


def attempt(action):
    try:
        return "done: " + str(action())
    except Exception as error:
        return "refused: " + type(error).__name__ + " " + str(error)


def mark(value):
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, 36, value)


def connect(address):
    with socket.create_connection(address, timeout=2) as sock:
        sock.settimeout(2)
        sock.sendall(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        answer = sock.recv(100)
        if not answer:
            raise ConnectionError("closed")
        return answer


def unshare_network():
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(0x40000000) != 0:
        raise OSError(ctypes.get_errno(), "unshare")


def new_user_namespace_mark():
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(0x10000000) != 0:
        raise OSError(ctypes.get_errno(), "unshare user")
    mark(0x539)


def others():
    return [pid for pid in os.listdir("/proc") if pid.isdigit() and b"envoy" in open(f"/proc/{pid}/cmdline", "rb").read()]


def see_envoy():
    found = others()
    if not found:
        raise LookupError("no envoy in /proc")
    return found


def list_run_dir():
    names = os.listdir(run_dir)
    if not names:
        raise LookupError("empty")
    return names


def read_run_dir_by_root():
    for pid in os.listdir("/proc"):
        if pid.isdigit():
            names = os.listdir(f"/proc/{pid}/root{run_dir}")
            if names:
                return names
    raise LookupError("empty")


def unmount_cover():
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.umount2(run_dir.encode(), 2) != 0:
        raise OSError(ctypes.get_errno(), "umount")
    return list_run_dir()


def open_setting(path):
    # Nothing is written: it may be the host's.
    os.close(os.open(path, os.O_WRONLY))


def unmount_setting():
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.umount2(b"/proc/sys", 2) != 0:
        raise OSError(ctypes.get_errno(), "umount")


def flush_rules():
    done = subprocess.run(["nft", "flush", "ruleset"], capture_output=True, text=True)
    if done.returncode != 0:
        raise OSError(done.stderr.strip())


report = {
    "mark": attempt(lambda: mark(0x539)),
    "mark in a user namespace": attempt(new_user_namespace_mark) if os.fork() == 0 else None,
}
if report["mark in a user namespace"] is not None:
    with open("/tmp/.child", "w") as out:
        out.write(report["mark in a user namespace"])
    os._exit(0)
os.wait()
report["mark in a user namespace"] = open("/tmp/.child").read()
report.update({
    "raw socket": attempt(lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP)),
    "packet socket": attempt(lambda: socket.socket(17, socket.SOCK_RAW, 0x0300)),
    "outbound listener": attempt(lambda: connect(("127.0.0.1", 15001))),
    "inbound listener": attempt(lambda: connect(("127.0.0.1", 15006))),
    "admin port": attempt(lambda: connect(("127.0.0.1", 15000))),
    "new network": attempt(unshare_network),
    "see envoy": attempt(see_envoy),
    "signal others": attempt(lambda: [os.kill(pid, 0) for pid in range(3, 300) if pid not in (os.getpid(), os.getppid())]),
    "run directory": attempt(list_run_dir),
    "run directory by /proc": attempt(read_run_dir_by_root),
    "uncover run directory": attempt(unmount_cover),
    "rules": attempt(flush_rules),
    "setting of the network": attempt(lambda: open_setting("/proc/sys/net/ipv4/ip_forward")),
    "setting of the kernel": attempt(lambda: open_setting("/proc/sys/kernel/domainname")),
    "uncover settings": attempt(unmount_setting),
    "interrupts": attempt(lambda: open_setting("/proc/irq/default_smp_affinity")),
    "control group": attempt(lambda: os.mkdir("/sys/fs/cgroup/lateen-intruder")),
})
print("REPORT " + json.dumps(report), flush=True)
signal.pause()
