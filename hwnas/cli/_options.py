"""Options that several commands share, so that they read the same everywhere."""

from pathlib import Path
from typing import Annotated

import typer

RunDirectory = Annotated[Path, typer.Argument(metavar="RUN", help="A run's directory.")]
DeviceName = Annotated[
    str, typer.Option("--device", "-d", help="A device's name (see hwnas devices) or TOML file.")
]
Runtime = Annotated[
    str,
    typer.Option(
        help="Inference runtime on the device: onnxruntime for ONNX files, litert for TFLite files."
    ),
]
Precision = Annotated[
    str,
    typer.Option(
        help="Precision of weights and activations: fp32, fp16 (weights stored in half precision) "
        "or int8 (quantized after training)."
    ),
]
Threads = Annotated[int, typer.Option(min=1, help="Threads of the runtime.")]
Space = Annotated[
    str, typer.Option("--space", "-s", help="A search space: a preset's name or a TOML file.")
]
Resolutions = Annotated[
    list[int] | None,
    typer.Option("--resolution", "-r", help="Keep this input resolution only; repeatable."),
]
Data = Annotated[
    str,
    typer.Option(
        help="Images to learn: fashion_mnist_10k (shipped), a folder with class/image.png, "
        "an .npz file, or hf:NAME of Hugging Face's hub."
    ),
]
Executor = Annotated[
    str,
    typer.Option(
        help="Where accuracies are evaluated: serial (one after another), local (in processes of "
        "this machine) or ray (on a cluster). What is found is the same."
    ),
]
Workers = Annotated[
    int,
    typer.Option(min=0, help="Evaluations at a time with local and ray; 0 for one a core."),
]
RayAddress = Annotated[
    str, typer.Option(help="Of a Ray cluster: HOST:PORT, ray://HOST:PORT, or auto.")
]
RayTimeout = Annotated[
    float, typer.Option(min=0.1, help="Seconds that the Ray cluster may take to answer at all.")
]
Seed = Annotated[int, typer.Option(help="Of everything random.")]
