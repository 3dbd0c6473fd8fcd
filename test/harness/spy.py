# An application that looks for other namespaces' secrets and configuration wherever it can reach; prints one JSON object per user it tried as:
# attempt -> outcome, and which of the texts it was told to look for came back. Argument: base64 of JSON {runDir, sockets, hosts, ports, texts, names, ads}.
import base64
import json
import os
import signal
import socket
import sys

told = json.loads(base64.b64decode(sys.argv[1]))
run_dir = told["runDir"]
max_bytes = 4 * 1024 * 1024


def read_all(sock):
    data = b""
    sock.settimeout(0.5)
    try:
        while len(data) < max_bytes:
            piece = sock.recv(65536)
            if not piece:
                break
            data += piece
    except OSError:
        pass
    return data


def http(path, host="x"):
    return f"GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n".encode()


requests = [http(path) for path in ("/config_dump?include_eds", "/certs", "/stats/prometheus", "/debug/configz", "/api/v1/secrets", "/lateen/v1/status")]
requests.append(bytes.fromhex(told["ads"]))


def ask(family, address, request):
    with socket.socket(family, socket.SOCK_STREAM) as sock:
        sock.settimeout(2)
        sock.connect(address)
        sock.sendall(request)
        return read_all(sock)


def unix(path):
    return b"".join(ask(socket.AF_UNIX, path, request) for request in requests)


def tcp(address, port):
    return b"".join(ask(socket.AF_INET, (address, port), request) for request in requests)


def read_files(folder):
    found = b""
    for root, folders, files in os.walk(folder):
        found += " ".join(folders + files).encode()
        for name in files:
            try:
                with open(os.path.join(root, name), "rb") as file:
                    found += file.read(max_bytes)
            except OSError:
                pass
    return found


def processes():
    found = b""
    for pid in os.listdir("/proc"):
        # Its own command line names what it looks for.
        if not pid.isdigit() or int(pid) in (os.getpid(), os.getppid(), 1):
            continue
        for name in ("environ", "cmdline", "maps"):
            try:
                found += open(f"/proc/{pid}/{name}", "rb").read(max_bytes)
            except OSError:
                pass
        found += read_files(f"/proc/{pid}/root{run_dir}")
    return found


def abstract_sockets():
    found = b""
    for line in open("/proc/net/unix").read().splitlines()[1:]:
        fields = line.split()
        if len(fields) < 8:
            continue
        name = fields[7]
        try:
            found += unix("\0" + name[1:]) if name.startswith("@") else unix(name)
        except OSError:
            pass
    return found


def dns(name):
    query = b"\x00\x07\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00" + b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0\0\1\0\1"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(2)
        sock.sendto(query, ("127.0.0.1", 53))
        answer = sock.recv(4096)
    return f"code {answer[3] & 15}, {answer[7]} answers".encode()


def attempts():
    for path in told["files"]:
        yield f"files {path}", lambda path=path: read_files(path)
    for path in told["sockets"]:
        for root in ("", "/proc/1/root", "/proc/self/root"):
            yield f"socket {root}{path}", lambda path=root + path: unix(path)
    yield "processes", processes
    yield "sockets of this network", abstract_sockets
    for host in told["hosts"]:
        for port in told["ports"]:
            yield f"port {host}:{port}", lambda host=host, port=port: tcp(host, port)
    for name in told["names"]:
        yield f"name {name}", lambda name=name: dns(name)
        yield f"host {name}", lambda name=name: ask(socket.AF_INET, ("198.19.255.1", 80), http("/", name))


def report():
    outcomes = {}
    for what, action in attempts():
        try:
            data = action()
        except (OSError, LookupError) as error:
            outcomes[what] = "refused"
            continue
        found = [text for text in told["texts"] if text.encode() in data or base64.b64encode(text.encode()) in data]
        said = data[:60].decode("latin1").split("\r\n")[0] if what.split(" ")[0] in ("port", "socket", "name", "host") else ""
        outcomes[what] = f"{len(data)} bytes {said}"[:120] + (f" FOUND {found}" if found else "")
    return outcomes


def print_report(user):
    items = list(report().items())
    # A log line may be cut at 16 KiB.
    for start in range(0, len(items), 50):
        print("REPORT " + json.dumps({"user": user, "outcomes": dict(items[start : start + 50])}), flush=True)


child = os.fork()
if child == 0:
    try:
        os.setgroups([])
        os.setresgid(65534, 65534, 65534)
        os.setresuid(65534, 65534, 65534)
        print_report("nobody")
    except OSError as error:
        print("REPORT " + json.dumps({"user": "nobody", "outcomes": {"become nobody": "refused"}}), flush=True)
    os._exit(0)
os.waitpid(child, 0)
print_report("own")
print("REPORTED", flush=True)
signal.pause()
