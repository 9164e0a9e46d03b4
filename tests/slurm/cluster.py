"""A real SLURM of four virtual nodes on this machine, started and stopped without leaving a trace.

    python -m tests.slurm.cluster start FOLDER     state, logs and pid files go there
    python -m tests.slurm.cluster stop FOLDER

Everything is private to the folder (munge's key and socket, the database, the spool directories)
but for symbolic links in /etc/slurm: the jobs' own srun reads its configuration there and nowhere
else. A machine whose /etc/slurm already holds a configuration is left alone.
"""

import argparse
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).parent
ETC = Path("/etc/slurm")
PORTS = {"controller_port": "16817", "accounting_port": "16819", "node_ports": "[16821-16824]"}
NODES = ("node1", "node2", "node3", "node4")
PROGRAMS = ("munged", "mariadbd", "slurmdbd", "slurmctld", "slurmd", "sacct", "srun")
# Debian keeps daemons where only root's PATH looks.
PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
# In the order in which they are stopped.
DAEMONS = (*(f"slurmd-{node}" for node in NODES), "slurmctld", "slurmdbd", "mariadb", "munged")


def obstacle() -> str | None:
    """Why no cluster can be started here, or None."""
    if os.geteuid() != 0:
        return "only root can start slurmd"
    missing = [name for name in PROGRAMS if shutil.which(name, path=PATH) is None]
    if missing:
        return f"not installed: {', '.join(missing)}"
    if (ETC / "slurm.conf").exists():
        return f"{ETC}/slurm.conf: this machine belongs to a cluster already"
    return None


def start(folder: Path) -> None:
    """Start accounting, controller and nodes; returns when every node is idle.

    Args:
        folder: For state, logs and pid files; made if need be.

    Raises:
        RuntimeError: A daemon did not come up; names its log.
    """
    folder = folder.resolve()
    for name in ("controller", "database"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    _configure(folder)
    _start_munge(folder)
    _start_database(folder)
    _run("slurmdbd", environment={"MYSQL_UNIX_PORT": str(folder / "database/socket")})
    _wait("sacctmgr -n show cluster", folder / "slurmdbd.log")
    for words in ("cluster dicegrad", "account lab", "user root account=lab defaultaccount=lab"):
        _run(f"sacctmgr -i add {words}", check=False)  # there already where the folder is
    _run("slurmctld")
    _wait("scontrol ping", folder / "slurmctld.log", lambda text: "UP" in text)
    for node in NODES:
        start_node(node)
    log = folder / "slurmctld.log"
    _wait("sinfo -h -N -o %T", log, lambda text: set(text.split()) == {"idle"})


def start_node(node: str) -> None:
    """Start the daemon of one node."""
    _run(f"slurmd -N {node}")


def stop(folder: Path) -> None:
    """Cancel all jobs and end every daemon that `start` started; the folder stays."""
    folder = folder.resolve()
    if (folder / "slurmctld.pid").exists():
        _run("scancel --quiet --full --user=root", check=False)
        _wait("squeue -h", folder / "slurmctld.log", lambda text: not text.strip())
    for daemon in DAEMONS:
        end(folder / f"{daemon}.pid", signal.SIGTERM)
    for link in ETC.glob("*.conf"):
        if link.is_symlink() and link.readlink().parent == folder:
            link.unlink()


def end(pid_file: Path, number: signal.Signals) -> None:
    """End the process of a pid file and wait until it is gone."""
    if not pid_file.exists():
        return
    pid = int(pid_file.read_text())
    if _lives(pid):
        os.kill(pid, number)
        deadline = time.monotonic() + 30
        while _lives(pid) and time.monotonic() < deadline:
            time.sleep(0.1)
    if _lives(pid):
        raise RuntimeError(f"{pid_file}: process {pid} did not end")
    pid_file.unlink(missing_ok=True)


def _lives(pid: int) -> bool:
    """Whether a process runs; one that has ended and waits for its parent to see it does not."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def _configure(folder: Path) -> None:
    values = {"folder": str(folder), "host": socket.gethostname().split(".")[0], **PORTS}
    for name in ("slurm.conf", "slurmdbd.conf"):
        (folder / name).write_text((HERE / name).read_text().format(**values))
    (folder / "slurmdbd.conf").chmod(0o600)
    # The stand-in for a GPU is a device that every machine has.
    (folder / "gres.conf").write_text("NodeName=node[1-4] Name=gpu File=/dev/null\n")
    (folder / "cgroup.conf").write_text("CgroupPlugin=autodetect\n")
    ETC.mkdir(exist_ok=True)
    for name in ("slurm.conf", "slurmdbd.conf", "gres.conf", "cgroup.conf"):
        (ETC / name).unlink(missing_ok=True)
        (ETC / name).symlink_to(folder / name)


def _start_munge(folder: Path) -> None:
    key = folder / "munge.key"
    key.write_bytes(os.urandom(128))
    key.chmod(0o600)
    files = {"key-file": key, "socket": folder / "munge.socket", "seed-file": folder / "munge.seed"}
    files |= {"log-file": folder / "munged.log", "pid-file": folder / "munged.pid"}
    _run("munged --force " + " ".join(f"--{name}={path}" for name, path in files.items()))


def _start_database(folder: Path) -> None:
    data, log = folder / "database", folder / "mariadb.log"
    common = f"--no-defaults --user=root --datadir={data} --innodb-log-file-size=16M"
    if not (data / "mysql").exists():
        _run(f"mariadb-install-db {common} --auth-root-authentication-method=socket --skip-test-db")
    options = f"--socket={data}/socket --pid-file={folder}/mariadb.pid --log-error={log}"
    options += " --skip-networking --innodb-buffer-pool-size=64M --innodb-lock-wait-timeout=900"
    subprocess.Popen(
        f"mariadbd {common} {options}".split(),
        env={**os.environ, "PATH": PATH},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    client = f"mariadb --no-defaults -uroot -S {data}/socket"
    _wait(f"{client} -e exit", log)
    _run(
        client,
        text="CREATE DATABASE IF NOT EXISTS accounting;"
        "CREATE USER IF NOT EXISTS slurm@localhost IDENTIFIED BY 'slurm';"
        "GRANT ALL ON accounting.* TO slurm@localhost;",
    )


def _run(
    command: str, text: str = "", environment: dict[str, str] | None = None, check: bool = True
) -> str:
    """Run a command and return its output.

    Daemons go to the background by themselves and keep the output open, so it is a file.
    """
    with tempfile.TemporaryFile("w+") as output:
        done = subprocess.run(
            command.split(),
            input=text,
            env={**os.environ, "PATH": PATH, **(environment or {})},
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        output.seek(0)
        said = output.read()
    if check and done.returncode != 0:
        raise RuntimeError(f"{command}: status {done.returncode}: {said.strip()}")
    return said


def _wait(command: str, log: Path, ready: Callable[[str], bool] = lambda text: True) -> None:
    """Repeat a command until it succeeds and its output is as wanted, half a minute at most."""
    for _ in range(150):
        try:
            if ready(_run(command)):
                return
        except RuntimeError:
            pass
        time.sleep(0.2)
    raise RuntimeError(f"{command}: no good answer in half a minute; see {log}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("action", choices=("start", "stop"))
    parser.add_argument("folder", type=Path, help="for state, logs and pid files")
    options = parser.parse_args()
    if options.action == "start" and (reason := obstacle()):
        print(f"error: no cluster here: {reason}", file=sys.stderr)
        return 1
    {"start": start, "stop": stop}[options.action](options.folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
