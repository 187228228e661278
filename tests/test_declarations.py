"""dvc.yaml names the wings, files and parameters that its stages read, and nothing else: derived from their code.

Modules come from the imports, parameters from the flags, files from the command; and a trace of the running stages
shows that they open nothing else.
"""

import shlex
from pathlib import Path

import click
import pytest
import yaml
from dvc.repo import Repo

from audit import read_by as read_by_stage
from conftest import PARAMS, ROOT, STAGES, Project, flags
from imports import CODE, imported

BY_HAND = {"explore"}  # scripts that are no stages

# Modules of a wing that a stage depends on and does not import: a change of them reruns it for nothing.
SPARE = {
    "robots": {
        "cli/loaded_code.py",  # the digest of code is for manifests and checkpoints, which it has none of
    },
    "resize": {
        "conversion/plain.py",  # which images rgba2rgb can keep as they are
    },
    "train": {
        "images/apart.py",  # decoding in other processes, for the image stages and explore.py
        "images/encoding.py",  # it writes its pictures through DVCLive
        "images/storage.py",  # how shards are written
    },
    "sample": {
        "cli/loaded_code.py",  # as for robots
        "exploring/animation.py",  # for explore.py, as the next ones
        "exploring/controls.py",
        "exploring/doubles.py",
        "exploring/export.py",
        "exploring/findings.py",
        "exploring/inputs.py",
        "exploring/page.py",
        "exploring/playing.py",
        "exploring/serving.py",
        "exploring/strange.py",
        "images/apart.py",  # as for train
        "images/archives.py",  # how folders are read, as the next two
        "images/sources.py",
        "images/unpacked.py",
    },
    "evaluate": {
        "cli/loaded_code.py",  # as for robots
        "exploring/animation.py",  # for explore.py and sample, as the next ones
        "exploring/controls.py",
        "exploring/export.py",
        "exploring/page.py",
        "exploring/playing.py",
        "exploring/serving.py",
        "exploring/traversal.py",
        "exploring/writing.py",
        "images/storage.py",  # how shards are written
        "model/sampling.py",  # samples have been drawn by the stage before
    },
}


def names(entries: list) -> set[str]:
    """The paths among a stage's deps, outs, params, metrics or plots."""
    return {entry if isinstance(entry, str) else next(iter(entry)) for entry in entries}


def read_by(stage: str) -> set[Path]:
    """The script of a stage, and the modules that it imports."""
    script = CODE / f"{stage}.py"
    return {script} | imported(script)


def covered(stage: str) -> dict[Path, set[Path]]:
    """The code that a stage depends on: for each dependency, a module or a wing, its modules."""
    deps = [ROOT / dep for dep in names(STAGES[stage]["deps"]) if dep.startswith("stages")]
    return {dep: {dep} if dep.is_file() else set(dep.rglob("*.py")) for dep in deps}


def interpolated(path: str) -> str:
    """A path of dvc.yaml, which may be a parameter at the top of params.yaml."""
    return PARAMS[path[2:-1]] if path.startswith("${") else path


def words(stage: str) -> list[str]:
    """The command of a stage, word by word, where its section is still unfolded: ${stage}."""
    return shlex.split(STAGES[stage]["cmd"])


def test_each_script_is_a_stage_and_each_section_is_a_stage():
    assert (
        {script.stem for script in CODE.glob("*.py")} - BY_HAND
        == set(STAGES)
        == set(PARAMS) - {"images", "factors", "features", "labels"}
    )
    for stage in STAGES:
        assert words(stage)[:2] == ["python", f"stages/{stage}.py"]


@pytest.mark.parametrize("stage", STAGES)
def test_each_import_is_covered_by_a_dependency_and_each_dependency_is_used(stage: str):
    read, by_dependency = read_by(stage), covered(stage)
    assert all(modules & read for modules in by_dependency.values())
    modules = set().union(*by_dependency.values())
    assert read <= modules
    spare = {module.relative_to(CODE / "imagevae").as_posix() for module in modules - read}
    assert spare == SPARE.get(stage, set())


def test_imports_are_seen_however_they_are_written(tmp_path: Path):
    for line in (
        "from imagevae.images import headers",
        "from imagevae.images.headers import jpeg_header",
        "import imagevae.images.headers as h",
    ):
        (tmp_path / "script.py").write_text(f"def main():\n    {line}\n")
        found = {path.relative_to(CODE / "imagevae").as_posix() for path in imported(tmp_path / "script.py")}
        assert found == {"cli/errors.py", "images/headers.py"}


@pytest.mark.parametrize("stage", STAGES)
def test_parameters_are_the_flags(stage: str):
    """A section of params.yaml and the paths and values that the command spells out make up the flags.

    Those that mean nothing to the pipeline are for use by hand.
    """
    spelled = [word.removeprefix("--") for word in words(stage) if word.startswith("--")]
    assert words(stage)[-1] == f"${{{stage}}}"
    by_hand = {"train": ["checkpoint", "init"]}.get(stage, [])
    assert sorted(spelled + list(PARAMS[stage]) + by_hand) == sorted(flags(stage))
    in_command = {word[2:-1] for word in words(stage) if word.startswith("${")}
    assert names(STAGES[stage]["params"]) == in_command


@pytest.mark.parametrize("stage", STAGES)
def test_parameters_have_the_defaults_of_the_flags(stage: str):
    for name, value in PARAMS[stage].items():
        default = flags(stage)[name].default
        assert value == default
        assert type(value) is type(default)


@pytest.mark.parametrize("stage", STAGES)
def test_files_are_those_in_the_command(stage: str):
    """Each path in the command, or the folder that holds it, is a dependency or an output, and the other way round."""
    spelled = {
        word
        for flag, word in zip(words(stage)[:-1], words(stage)[1:], strict=True)
        if flag.startswith("--") and isinstance(flags(stage)[flag[2:]].type, click.Path)
    }
    declared = {dep for dep in names(STAGES[stage]["deps"]) if not dep.startswith("stages")}
    for kind in ("outs", "metrics", "plots"):
        declared |= names(STAGES[stage].get(kind, []))
    for path in spelled:
        assert any(path == other or path.startswith(f"{other}/") or other.startswith(f"{path}/") for other in declared)
    for path in declared:
        assert any(path == other or path.startswith(f"{other}/") or other.startswith(f"{path}/") for other in spelled)


@pytest.mark.slow
def test_running_stages_read_only_what_is_declared(reproduced: Project):
    """Python reports each file that a stage opens; what lies in the project must be declared, and be read."""
    for stage, declared in STAGES.items():
        read = read_by_stage(stage, reproduced.folder.with_name("opened"))
        expected = {interpolated(dep) for dep in names(declared["deps"])}
        made = {out for kind in ("outs", "metrics", "plots") for out in names(declared.get(kind, []))}

        def within(path: str, folders: set[str]) -> bool:
            return any(path == folder or path.startswith(f"{folder}/") for folder in folders)

        assert [path for path in expected if not any(within(file, {path}) for file in read)] == []
        known = expected | made | {str(Path(path).parent / f".{Path(path).name}.partial") for path in made}
        # DVC's own records, which decide how the work is done and not what comes out: DVCLive looks up the repository
        # that it runs in, the image stages look up their last outputs.
        known |= {".git", ".gitignore", ".dvc", ".dvcignore", "dvc.lock"}
        assert [path for path in read if (reproduced.folder / path).is_file() and not within(path, known)] == []


def changed(project: Project) -> set[str]:
    """The stages that `dvc status` calls changed; asked in this process, since it is asked a hundred times."""
    with Repo(str(project.folder)) as repo:
        return {
            name.split(":")[-1]
            for name in repo.status([str(project.folder / "dvc.yaml"), str(project.folder / "data" / "dvc.yaml")])
        }


OTHER = {
    "black": "white",
    "pad": "crop",
    "": "tcp://localhost:8786",
    "levels": "unit",
    "spatial": "vector",
    "none": "folders",
    "best": "flow",
    "pca": "tsne",
    "float32": "mixed_bfloat16",
    "one": "all",
    "convert": "ignore",
}


def readers_of_parameter(section: str, name: str) -> frozenset[str]:
    return frozenset(stage for stage in STAGES if {f"${{{section}}}", f"${{{section}.{name}}}"} & set(words(stage)))


@pytest.mark.slow
def test_a_change_reaches_exactly_the_stages_that_read_it(tiny: Project, monkeypatch: pytest.MonkeyPatch):
    """Of the modules that the same stages read, one is changed, of the parameters one of each section: the stages to
    run must be those. The tests above see to the others."""
    for name in ("DVC_GLOBAL_CONFIG_DIR", "DVC_SITE_CACHE_DIR"):
        monkeypatch.setenv(name, tiny.environment[name])
    assert changed(tiny) == set()
    depending = {stage: set().union(*covered(stage).values()) for stage in STAGES}
    modules = {
        frozenset(stage for stage, code in depending.items() if module in code): module
        for module in sorted(CODE.rglob("*.py"))
    }
    for readers, module in modules.items():
        copy = tiny.folder / module.relative_to(ROOT)
        content = copy.read_text()
        copy.write_text(f"{content}\n# changed\n")
        assert changed(tiny) == readers, module
        copy.write_text(content)
    params = tiny.folder / "params.yaml"
    content = params.read_text()
    sections = {section: values for section, values in PARAMS.items() if isinstance(values, dict)}
    chosen = {
        (section, readers_of_parameter(section, name)): (name, value)
        for section, values in sections.items()
        for name, value in values.items()
    }
    for (section, readers), (name, value) in chosen.items():
        edited = yaml.safe_load(content)
        edited[section][name] = OTHER.get(value) or type(value)(value + 1)
        params.write_text(yaml.safe_dump(edited))
        assert changed(tiny) == readers, name
    params.write_text(content)
    assert changed(tiny) == set()
