"""Copies of the project with the examples of docs/extend.md applied."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "docs/examples"


def git(*arguments, folder=ROOT):
    return subprocess.run(["git", *map(str, arguments)], cwd=folder, text=True,
                          check=True, capture_output=True).stdout


def missing():
    """Why no copy can be made here, or None."""
    if (ROOT / ".git").exists() and shutil.which("git"):
        return None
    return "the project is no checkout, or git is missing"


class Copy:
    """A copy of the project with examples, and what follows from them."""

    def __init__(self, folder, *examples):
        self.root = folder
        for name in git("ls-files").splitlines():
            if (ROOT / name).is_file():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, folder / name)
        git("init", "-q", folder=folder)
        for example in examples:
            git("apply", EXAMPLES / example, folder=folder)
        # As `make lock` writes it, which needs the network: the libraries of
        # the loader without the one that only the loader has.
        lock = (folder / "requirements/ecg_loader.txt").read_text("utf-8")
        (folder / "requirements/ward_report.txt").write_text(
            re.sub(r"^fitdecode==.*\n(?: .*\n)+", "", lock, flags=re.M),
            "utf-8")
        self.python("protos/project.py")
        self.python("-m", "blocks")
        git("add", "-A", folder=folder)

    def build_image(self, tag):
        """Build the image of the sixth block; its name."""
        image = f"aura/ward-report:{tag}"
        self.python("-c", "from aura.blocks import named\n"
                    "from blocks import images\n"
                    f"images.build(named('ward-report'), '{image}')")
        return image

    @property
    def environ(self):
        return {**os.environ,
                "PYTHONPATH": os.pathsep.join((f"{self.root / 'src'}",
                                               f"{self.root}"))}

    @staticmethod
    def reports(run):
        """The tables of the sixth block in a run that has ended."""
        assert (run / "DONE").exists()
        return [path.read_text("utf-8").splitlines()
                for path in sorted(run.glob("batches/*/ward.tsv"))]

    def python(self, *arguments, **environ):
        """What Python prints in the copy."""
        done = subprocess.run(
            [sys.executable, *map(str, arguments)], cwd=self.root, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env={**self.environ, **environ})
        assert done.returncode == 0, done.stdout
        return done.stdout
