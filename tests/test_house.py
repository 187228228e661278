"""The rules of the house: what lies where, what may know of what, and how large anything gets."""

import ast
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

from conftest import ROOT, write_images
from imports import CODE, imported, named

HOUSE, TESTS = CODE / "imagevae", ROOT / "tests"
SCRIPTS, MODULES = sorted(CODE.glob("*.py")), sorted(HOUSE.rglob("*.py"))
SHARED = {"cli", "images", "model", "dataset"}  # wings that several stages read
WITHOUT_KERAS = {"cli", "images", "dataset", "conversion", "report"}
IMAGE_STAGES = ("rgba2rgb", "resize", "robots")
HEAVY = {"tensorflow", "keras", "jax"}
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
VAGUE = {"utils", "util", "common", "helpers", "helper", "config", "misc", "tools"}

# Public classes and functions that share their name, and may.
NAMESAKES = {
    "main",  # of each script
    "encode",  # a command of explore.py, and what it calls
    "headlines",  # of the evaluation, which chooses them, and of the report, which reads them
    "report",  # of files left aside, a line, and of a run, a page
}
# Tests of a wing that are named for what they do to several of its modules.
ACROSS = {"images/damage", "images/fuzz", "images/plugins"}


def wing(file: Path) -> str:
    """The folder of imagevae that a module is in; nothing for a module beside them."""
    return file.relative_to(HOUSE).parts[0] if file.parent != HOUSE else ""


def own(names: set[str]) -> set[str]:
    """The wings that imports name."""
    return {name.split(".")[1] for name in names if name.startswith("imagevae.")}


def roots(file: Path) -> set[str]:
    """The packages that a file imports from."""
    return {name.split(".")[0] for name in named(file)}


# What may know of what


def test_scripts_import_modules_and_nothing_imports_a_script():
    scripts = {script.stem for script in SCRIPTS}
    assert {file for file in (*SCRIPTS, *MODULES) if roots(file) & scripts} == set()
    assert {file for file in SCRIPTS if "imagevae" not in roots(file)} == set()


def test_what_several_stages_read_knows_nothing_of_what_one_of_them_is_made_of():
    assert {file for file in MODULES if wing(file) in SHARED and not own(named(file)) <= SHARED} == set()


def test_images_know_nothing_of_models_and_models_nothing_of_files():
    reached = {file: {wing(module) for module in imported(file)} for file in MODULES}
    assert {file for file in MODULES if wing(file) == "images" and not reached[file] <= {"cli", "images"}} == set()
    assert {file for file in MODULES if wing(file) == "model" and "dataset" in reached[file]} == set()


def test_keras_is_for_the_model_and_what_is_built_on_it():
    assert {file for file in MODULES if wing(file) in WITHOUT_KERAS and roots(file) & HEAVY} == set()


@pytest.mark.parametrize("stage", IMAGE_STAGES)
def test_image_stages_import_nothing_that_imports_keras(stage: str):
    files = {CODE / f"{stage}.py"} | imported(CODE / f"{stage}.py")
    assert {file for file in files if roots(file) & HEAVY} == set()


AT_THE_END = """
import atexit, runpy, sys
atexit.register(lambda: print(*sorted({heavy!r} & set(sys.modules))))
sys.path.insert(0, {stages!r})
sys.argv[:1] = []
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.mark.parametrize("stage", IMAGE_STAGES)
def test_image_stages_load_no_tensorflow_by_others_either(stage: str, tmp_path: Path):
    write_images(tmp_path / "in", 3)
    source = (
        ("--factors", tmp_path / "factors.csv", "--count", 3) if stage == "robots" else ("--input", tmp_path / "in")
    )
    words = [CODE / f"{stage}.py", *source, "--output", tmp_path / "out"]
    code = AT_THE_END.format(heavy=HEAVY, stages=str(CODE))
    ran = subprocess.run([sys.executable, "-c", code, *map(str, words)], capture_output=True, text=True)
    assert (ran.returncode, ran.stdout) == (0, "\n"), ran.stderr
    assert (tmp_path / "out").is_dir()


# What lies where, and how large it gets


def test_few_modules_lie_beside_the_wings_and_nothing_runs_where_a_wing_is_imported():
    assert len(list(HOUSE.glob("*.py"))) <= 3
    assert [file for file in CODE.rglob("__init__.py") if file.read_text().strip()] == []


def test_names_say_what_is_in_a_module():
    files = [path for folder in (CODE, TESTS) for path in folder.rglob("*") if path.suffix == ".py" or path.is_dir()]
    assert [path for path in files if path.stem.removeprefix("test_") in VAGUE] == []


def test_modules_and_functions_are_short():
    for file in (*SCRIPTS, *MODULES):
        text = file.read_text()
        assert len(text.splitlines()) <= 300, file
        functions = [node for node in ast.walk(ast.parse(text)) if isinstance(node, FUNCTIONS)]
        long = {function.name for function in functions if function.end_lineno - function.lineno >= 60}
        assert long <= {"main"}, file


def test_a_public_name_is_one_thing():
    places = defaultdict(set)
    for file in (*SCRIPTS, *MODULES):
        for node in ast.parse(file.read_text()).body:
            if isinstance(node, (*FUNCTIONS, ast.ClassDef)) and not node.name.startswith("_"):
                places[node.name].add(file)
    assert {name for name, files in places.items() if len(files) > 1} == NAMESAKES


# The tests mirror the house


def test_tests_of_a_module_lie_where_it_does():
    wings = {wing(file) for file in MODULES} - {""}
    for file in TESTS.glob("*/test_*.py"):
        name = f"{file.parent.name}/{file.stem.removeprefix('test_')}"
        assert file.parent.name in wings
        assert (HOUSE / f"{name}.py").is_file() != (name in ACROSS), name


def test_test_files_import_no_other_test_files():
    tests = {file.stem for file in TESTS.rglob("test_*.py")}
    for file in TESTS.rglob("*.py"):
        assert {part for name in named(file) for part in name.split(".")} & tests == set(), file
