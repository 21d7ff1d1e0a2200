"""The processes that are compared, and the projects that they run in."""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from measured import HERE, Command, environment

if TYPE_CHECKING:
    from pathlib import Path

UNNEEDED: Final = ("hypothesispytest", "xdist", "xdist.looponfail", "rerunfailures")
"""pytest plugins that an environment may have and no measured command needs."""

_PROMPT: Final = """\
  - id: P{0}
    prompt: question {0}
    expect: {{exact: The answer is 4}}
"""


@dataclass(frozen=True, slots=True)
class Bench:
    """Where and with which interpreter processes are measured."""

    folder: Path
    python: str = sys.executable

    def ours(
        self, url: str, project: Path, trials: int, *options: str, xdist: bool = False
    ) -> Command:
        """Return the plugin's run of a project; earlier reports are removed."""
        return Command(
            name=f"ours {project.name} {' '.join(options)}",
            argv=[*self.pytest(xdist=xdist), "suite", *options],
            cwd=project,
            env=environment(url),
            says=f"{trials} passed",
            before=lambda: shutil.rmtree(project / "reports", ignore_errors=True),
        )

    def raw_loop(self, url: str, trials: int, concurrency: int, *more: str) -> Command:
        """Return the reference that only asks."""
        script, counts = str(HERE / "raw_loop.py"), [str(trials), str(concurrency)]
        return Command(
            name=f"raw loop {trials} x, concurrency {concurrency}",
            argv=[self.python, script, url, *counts, *more],
            cwd=self.folder,
            env=environment(),
            says=f"{trials} passed",
        )

    def hand_written(self, url: str, trials: int) -> Command:
        """Return the reference that is an ordinary parametrised test."""
        project = self.project("hand")
        shutil.copy(HERE / "hand_written.py", project / "test_hand.py")
        return Command(
            name=f"hand-written {trials} x",
            argv=[*self.pytest(), "-p", "no:llmbench"],
            cwd=project,
            env=environment(url, TRIALS=str(trials)),
            says=f"{trials} passed",
        )

    def plain(self, *options: str) -> Command:
        """Return pytest on one empty test in a project without suites."""
        project = self.project("plain")
        (project / "test_one.py").write_text("def test_one(): pass\n", "utf-8")
        return Command(
            name=f"no suite {' '.join(options)}",
            argv=[*self.pytest(), *options],
            cwd=project,
            env=environment(),
            says="1 passed",
        )

    def pytest(self, *, xdist: bool = False) -> list[str]:
        """Return the start of a pytest command, equal on both sides."""
        needed = "xdist" if xdist else ""
        left_out = [n for n in UNNEEDED if not needed or not n.startswith(needed)]
        off = [word for name in left_out for word in ("-p", f"no:{name}")]
        return [self.python, "-m", "pytest", "-q", *off]

    def project(self, name: str) -> Path:
        """Return an empty project of its own root."""
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        (folder / "pytest.ini").write_text("[pytest]\n", "utf-8")
        return folder

    def suite(self, prompts: int) -> Path:
        """Return a project with one suite of so many prompts."""
        project = self.project(f"ours{prompts}")
        (project / "suite").mkdir(exist_ok=True)
        text = "".join(_PROMPT.format(number) for number in range(prompts))
        path = project / "suite" / "speed.bench.yaml"
        path.write_text(f"suite: speed\nprompts:\n{text}", "utf-8")
        return project
