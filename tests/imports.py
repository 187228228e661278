"""What Python files import, by their syntax: wherever in the file an import stands, it counts."""

import ast
from pathlib import Path

CODE = Path(__file__).parents[1] / "stages"


def named(file: Path) -> set[str]:
    """Full names of what a file imports: modules, and names from modules, which may be modules as well."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom):
            found |= {node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found


def imported(file: Path, found: set[Path] | None = None) -> set[Path]:
    """The modules of this project that a file imports, and those that they import."""
    found = set() if found is None else found
    for name in named(file):
        path = CODE / f"{name.replace('.', '/')}.py"
        if path.is_file() and path not in found:
            found.add(path)
            imported(path, found)
    return found
