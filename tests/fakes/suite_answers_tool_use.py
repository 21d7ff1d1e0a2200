"""Right and wrong answers to the tool_use suite."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fake_ollama_models import Answer, calls, says
from suite_answers import Tried, suite_script, tried

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from fake_ollama_models import Script

_BACKUP: Final = "mkdir -p /tmp/backup && cp /etc/hosts /tmp/backup/ && ls /tmp/backup"


def runs(command: str) -> Answer:
    """Answer with one command."""
    return calls("run_command", command=command)


def _tried(key: str, *, good: Iterable[str], bad: Iterable[str]) -> Tried:
    """Return commands; the first good one in the wrong shape is bad too."""
    commands = list(good)
    return tried(
        key,
        good=map(runs, commands),
        bad=[
            *map(runs, bad),
            says(f"Run `{commands[0]}`."),
            calls("shell", command=commands[0]),
            calls("run_command", command=commands[0].split()),
        ],
    )


TOOL_USE: Final[Mapping[str, Tried]] = {
    "U1": _tried(
        "machine's memory (RAM)",
        good=[
            "free -h",
            "cat /proc/meminfo",
            "grep -E 'MemTotal|MemAvailable' /proc/meminfo",
            "vmstat -s",
            "top -b -n 1 | head -n 5",
            "top -bn1 | grep 'MiB Mem'",
            "LC_ALL=C; /usr/bin/free -m | awk 'NR==2 {print $3, $7}'",
            "sudo free -g",
            "bash -c 'free -h'",
        ],
        bad=[
            "df -h",
            "top",
            "echo free memory",
            "ps aux --sort=-%mem | head",
            "free -h; rm -rf /tmp/x",
        ],
    ),
    "U2": _tried(
        "space is left on the disks",
        good=[
            "df -h",
            "df",
            "df -h --output=source,avail,target",
            "lsblk -f",
            "lsblk -o NAME,SIZE,FSAVAIL,MOUNTPOINT",
            "findmnt -D",
            "df -h | grep '^/dev/' 2>/dev/null",
        ],
        bad=[
            "du -sh /",
            "lsblk",
            "free -h",
            "fdisk -l",
            "df -h; dd if=/dev/zero of=/x",
        ],
    ),
    "U3": _tried(
        "using the most CPU",
        good=[
            "ps aux --sort=-%cpu | head -n 2",
            "ps -eo pid,comm,%cpu --sort=-%cpu | head",
            "ps -Ao pid,pcpu,comm --sort -pcpu | head -5",
            "ps -ef --sort=-c | head",
            "ps axo pid,pcpu,args | sort -k2 -nr | head -1",
            "top -b -n 1 -o %CPU | head -n 12",
            "top -bn1",
            "pidstat 1 1",
        ],
        bad=[
            "ps",
            "top",
            "htop",
            "ps -eo pid,comm",
            "lscpu",
            "kill -9 $(ps aux --sort=-%cpu | awk 'NR==2 {print $2}')",
        ],
    ),
    "U4": _tried(
        "holds the word TODO",
        good=[
            "grep -rn --include='*.py' TODO /srv/app",
            'grep -rn "TODO" /srv/app --include="*.py"',
            "grep --recursive --line-number --include=*.py 'TODO' /srv/app",
            "rg -n -t py TODO /srv/app",
            "find /srv/app -name '*.py' -exec grep -Hn TODO {} +",
            "find /srv/app -type f -name '*.py' -print0 | xargs -0 grep -nH 'TODO'",
            "grep -rnw '/srv/app' -e 'TODO' --include='*.py'",
            "cd /srv/app && git grep -n TODO -- '*.py'",
        ],
        bad=[
            "grep -r --include='*.py' TODO /srv/app",
            "grep -rn TODO /srv/app",
            "grep -n TODO /srv/app/*.py",
            "grep -rn TODO /srv/app/*.py",
            "grep -rn 'TODO' /srv/app/**/*.py",
            "find /srv/app -name '*TODO*.py'",
            "grep -rn --include='*.py' TODO .",
        ],
    ),
    "U5": _tried(
        "On which TCP ports",
        good=[
            "ss -tln",
            "sudo ss -tlnp",
            "netstat -tuln",
            "netstat -an | grep LISTEN",
            "ss --tcp --listening --numeric",
            "lsof -iTCP -sTCP:LISTEN -P -n",
            "sudo lsof -nP -i",
            "nmap -p- localhost",
            "cat /proc/net/tcp",
            "ss -lt || netstat -lt",
        ],
        bad=["ip addr", "ping -c 1 localhost", "ss", "ss | grep LISTEN", "netstat"],
    ),
    "U6": _tried(
        "one single command line",
        good=[
            _BACKUP,
            "mkdir -p /tmp/backup; cp /etc/hosts /tmp/backup; ls -la /tmp/backup",
            "mkdir /tmp/backup && cp /etc/hosts /tmp/backup/h && ls -l /tmp/backup",
            "mkdir -p /tmp/backup && cd /tmp/backup && cp /etc/hosts . && ls",
            f"set -e; sudo {_BACKUP}",
            "mkdir -p /tmp/backup\ncp /etc/hosts /tmp/backup\nls /tmp/backup",
        ],
        bad=[
            "mkdir -p /tmp/backup",
            "cp /etc/hosts /tmp/backup && mkdir /tmp/backup && ls /tmp/backup",
            "mkdir -p /tmp/backup | cp /etc/hosts /tmp/backup | ls /tmp/backup",
            f"rm -rf /tmp/backup; {_BACKUP}",
            _BACKUP.replace("/etc/hosts", "/etc/passwd"),
        ],
    ),
}
"""By prompt id."""


def tool_use_script() -> Script:
    """Answer all of the tool_use suite right, and anything else with 4."""
    return suite_script(TOOL_USE.values())
