"""Write tests/evaluation/torch_fidelity.json: what torch-fidelity makes of given features, for tests to compare with.

    pip install --no-deps torch-fidelity==0.4.0 && python tests/benchmarks/torch_fidelity_values.py

The arithmetic of its FID and KID is in NumPy; torch, which its modules import for extracting features, is replaced by
an empty module, so that gigabytes need not be installed.
"""

import json
import sys
from importlib.metadata import version
from pathlib import Path
from unittest.mock import MagicMock

import numpy as np

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from reference_features import CASES, REFERENCE, some_features  # noqa: E402


def reference(name: str) -> dict:
    """The names that one of torch-fidelity's modules defines."""
    [folder] = [path for path in map(Path, sys.path) if (path / "torch_fidelity" / name).is_file()]
    names: dict = {"__name__": name}
    exec((folder / "torch_fidelity" / name).read_text(), names)
    return names


def main() -> None:
    for module in ("torch", "torch_fidelity", "torch_fidelity.helpers", "torch_fidelity.utils"):
        sys.modules[module] = MagicMock()
    fid, kid = reference("metric_fid.py"), reference("metric_kid.py")
    values = {}
    for case in CASES:
        x, y = some_features(*case)
        statistics = [{"mu": v.mean(axis=0), "sigma": np.cov(v, rowvar=False)} for v in (x, y)]
        kernels = [(a @ b.T / x.shape[1] + 1.0) ** 3 for a, b in ((x, x), (x, y), (y, y))]
        values[str(case)] = {
            "fid": fid["fid_statistics_to_metric"](*statistics, False)["frechet_inception_distance"],
            "kid": float(kid["mmd2"](*kernels)) if len(x) == len(y) else None,
        }
    content = {"torch-fidelity": version("torch-fidelity"), "numpy": np.__version__, "values": values}
    REFERENCE.write_text(json.dumps(content, indent=2) + "\n")


if __name__ == "__main__":
    main()
