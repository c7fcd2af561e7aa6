"""Films, settings and a comparison for the tests of the extraction, and an extraction that is killed."""

from pathlib import Path

from film_files import numbered, write_film

from pipelines.movies.settings import Settings

FILMS = ("drawn:2:1", "drawn:1:2", "drawn:2:3")
SETTINGS = Settings(interval=0.25, keep_rejected=3, frames_per_piece=10)

# `FILM,FILM FOLDER FAMILY COUNT FOLDER FAMILY COUNT ...`: for each folder a process of its own extracts the films, and
# kills itself at the COUNTth time that it writes something of that family; prints by which signal each ended. They are
# forks, since importing everything takes longer than the films do
KILLED = """
import os, signal, sys
from pathlib import Path
from pipelines.movies.extract import extract
from pipelines.movies.settings import Settings

replace = Path.replace


def extract_and_die(folder, family, left):
    def deadly(self, target):
        nonlocal left
        if family in str(target):
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
        return replace(self, target)

    Path.replace = deadly
    extract(sys.argv[1].split(","), folder, Settings(interval=0.25, keep_rejected=3, frames_per_piece=10))


for folder, family, count in zip(*[iter(sys.argv[2:])] * 3):
    child = os.fork()
    if not child:
        try:
            extract_and_die(Path(folder), family, int(count))
        finally:
            os._exit(1)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a dataset but the lock."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def film_without_faces(path: Path) -> Path:
    """Thirty frames of bars."""
    return write_film(path, (numbered(n, (180, 320)) for n in range(30)))
