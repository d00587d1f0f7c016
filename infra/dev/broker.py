#!/usr/bin/env python3
"""A separate RabbitMQ node with its own folder, ports and epmd, on loopback only.

    infra/dev/broker.py [--dir DIR] start|stop|restart|status
    infra/dev/broker.py [--dir DIR] kill|pause|resume           for tests: SIGKILL, SIGSTOP, SIGCONT
    infra/dev/broker.py [--dir DIR] control -- ARGUMENTS        rabbitmqctl against this node

`start` prints {"amqp_url", "management_url", "pid", ...} when the node answers.
A node keeps its ports and data over a restart. The system's RabbitMQ is never
touched. Without --dir the folder is .dev/broker and the answer is also kept in
.dev/run/broker.json; with it, everything is in DIR and the answer in DIR/broker.json.
"""

import argparse
import base64
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import processes

DEV = Path(__file__).resolve().parents[2] / ".dev"
# Not the wrapper in sbin, which changes the user and forces the system's folders.
PACKAGED = "/usr/lib/rabbitmq/bin/rabbitmq-server"
ACCOUNT = "guest:guest"
SIGNALS = {"pause": signal.SIGSTOP, "resume": signal.SIGCONT}
PORT_NAMES = ("amqp", "management", "distribution", "epmd")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = ("start", "stop", "restart", "status", "kill", *SIGNALS, "control")
    parser.add_argument("command", choices=commands)
    parser.add_argument("arguments", nargs="*", help="of rabbitmqctl, for `control`")
    parser.add_argument(
        "--dir", type=Path, help="folder of the node, for a second one beside the default"
    )
    arguments = parser.parse_args()
    folder = (arguments.dir or DEV / "broker").resolve()
    run_file = folder / "broker.json" if arguments.dir else DEV / "run" / "broker.json"

    if arguments.command in ("stop", "restart"):
        stop(folder, run_file)
    if arguments.command in ("start", "restart"):
        print(json.dumps(start(folder, run_file)))
    if arguments.command == "kill":
        node(run_file)
        processes.stop(run_file, first=signal.SIGKILL)
    if arguments.command in SIGNALS:
        os.kill(node(run_file)["pid"], SIGNALS[arguments.command])
    if arguments.command == "control":
        node(run_file)
        control(folder, arguments.arguments)
    if arguments.command == "status":
        entry = processes.running(run_file)
        print(json.dumps(entry) if entry else "not running")
        sys.exit(0 if entry else 3)


def node(run_file):
    return processes.running(run_file) or processes.fail("the node does not run; `start` starts it")


def control(folder, arguments):
    """Replaces this process by rabbitmqctl, with the settings that find the node and its cookie."""
    command = [str(Path(server()).with_name("rabbitmqctl")), "--quiet", *arguments]
    os.execve(command[0], command, environment(folder, read_ports(folder)))


def start(folder, run_file):
    entry = processes.running(run_file)
    if entry is None:
        # A node that crashed leaves its epmd on the port that is chosen again below.
        stop(folder, run_file)
        ports = choose_ports(folder)
        write_settings(folder, ports)
        processes.start(
            run_file,
            [server()],
            environment(folder, ports),
            folder / "log" / "console.log",
            amqp_url=f"amqp://{ACCOUNT}@127.0.0.1:{ports['amqp']}/%2f",
            management_url=f"http://{ACCOUNT}@127.0.0.1:{ports['management']}",
        )
    else:
        ports = read_ports(folder)
    return processes.wait_ready(run_file, "rabbitmq", lambda: answers(ports), seconds=90)


def stop(folder, run_file):
    if entry := processes.running(run_file):
        # A paused node does not react to SIGTERM.
        os.kill(entry["pid"], signal.SIGCONT)
    processes.stop(run_file)
    ports = read_ports(folder)
    epmd = shutil.which("epmd")
    if ports and epmd:
        # epmd outlives its node. It is safe to kill, because no other node uses this port.
        env = {**os.environ, "ERL_EPMD_PORT": str(ports["epmd"]), "ERL_EPMD_ADDRESS": "127.0.0.1"}
        subprocess.run(
            [epmd, "-kill"],
            env=env,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
        )


def server():
    named = os.environ.get("RABBITMQ_SERVER")
    for candidate in (named, PACKAGED, shutil.which("rabbitmq-server")):
        if candidate and os.access(candidate, os.X_OK):
            return candidate
    processes.fail("rabbitmq-server is not installed; run infra/dev/setup.sh")


def read_ports(folder):
    try:
        return json.loads((folder / "ports.json").read_text())
    except (FileNotFoundError, ValueError):
        return None


def choose_ports(folder):
    """The ports of the last start if they are still free, because clients reconnect to them."""
    last = read_ports(folder) or {}
    ports = {}
    for name in PORT_NAMES:
        port = processes.free_port(last.get(name, 0))
        while port in ports.values():
            port = processes.free_port()
        ports[name] = port
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "ports.json").write_text(json.dumps(ports))
    return ports


def write_settings(folder, ports):
    """Writes the node's files."""
    for name in ("data", "log", "home", "conf.d", "generated"):
        (folder / name).mkdir(exist_ok=True)
    (folder / "rabbitmq.conf").write_text(
        f"listeners.tcp.1 = 127.0.0.1:{ports['amqp']}\n"
        "management.tcp.ip = 127.0.0.1\n"
        f"management.tcp.port = {ports['management']}\n"
    )
    advanced = folder / "advanced.config"
    # A test may have written its own.
    if not advanced.exists():
        advanced.write_text("[].\n")
    (folder / "enabled_plugins").write_text("[rabbitmq_management].\n")
    (folder / "env.conf").write_text("")


def environment(folder, ports):
    """Variables for the node and its tools; they override every default path of the scripts."""
    settings = {
        # Erlang keeps its cookie here; the user's own cookie is left alone.
        "HOME": folder / "home",
        "ERL_EPMD_PORT": ports["epmd"],
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODENAME": "bucketlens@localhost",
        "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODE_PORT": ports["amqp"],
        "RABBITMQ_DIST_PORT": ports["distribution"],
        "RABBITMQ_MNESIA_BASE": folder / "data",
        "RABBITMQ_LOG_BASE": folder / "log",
        "RABBITMQ_PID_FILE": folder / "data" / "node.pid",
        "RABBITMQ_CONF_ENV_FILE": folder / "env.conf",
        "RABBITMQ_CONFIG_FILE": folder / "rabbitmq",
        "RABBITMQ_CONFIG_FILES": folder / "conf.d" / "*.conf",
        "RABBITMQ_ADVANCED_CONFIG_FILE": folder / "advanced.config",
        "RABBITMQ_GENERATED_CONFIG_DIR": folder / "generated",
        "RABBITMQ_ENABLED_PLUGINS_FILE": folder / "enabled_plugins",
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
        # Makes the script exec the node, so that the process id is the node's.
        "RUNNING_UNDER_SYSTEMD": "true",
    }
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("RABBITMQ_", "ERL_", "NOTIFY_"))
    }
    return {**kept, **{name: str(value) for name, value in settings.items()}}


def answers(ports):
    """Whether AMQP and the management API answer; a node opens its listeners last."""
    try:
        with socket.create_connection(("127.0.0.1", ports["amqp"]), timeout=1) as connection:
            connection.sendall(b"AMQP\x00\x00\x09\x01")
            greeting = connection.recv(1)
        request = urllib.request.Request(f"http://127.0.0.1:{ports['management']}/api/vhosts")
        request.add_header("Authorization", "Basic " + base64.b64encode(ACCOUNT.encode()).decode())
        with urllib.request.urlopen(request, timeout=2) as answer:
            return greeting == b"\x01" and answer.status == 200
    except (OSError, urllib.error.URLError):
        return False


if __name__ == "__main__":
    main()
