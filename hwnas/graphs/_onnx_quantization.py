"""Post-training int8 quantization of ONNX files, with onnxruntime's quantizer.

QDQ form. Weights are int8, symmetric, one scale a channel; activations are uint8, asymmetric, one
scale a tensor, from the smallest to the largest value that the calibration inputs give. (With int8
activations ONNX Runtime takes twice as long on x86.) Hard-swish and hard-sigmoid have no integer
kernel there and run in fp32 between a dequantization and a quantization. Input and output stay
fp32.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType
from onnxruntime.quantization.calibrate import CalibrationMethod, TensorData, TensorsData
from onnxruntime.quantization.qdq_quantizer import QDQQuantizer
from onnxruntime.quantization.registry import QDQRegistry, QLinearOpsRegistry

from hwnas.graphs._calibration import check_calibration

_MADE_UP = (-4.0, 4.0)
_MADE_UP_SCALE, _MADE_UP_ZERO = 1 / 32, 128


def quantize(
    content: bytes, calibration: NDArray[np.float32] | None, *, inner: bool = False
) -> bytes:
    """An fp32 file of `hwnas.graphs.onnx` as an int8 one.

    Args:
        content: The fp32 file.
        calibration: Inputs, (N, C, H, W) or (N, C); None for made-up ranges.
        inner: Whether input and output become uint8 too.

    Raises:
        InputError: The calibration inputs are none, of another shape, or not finite.
    """
    model = onnx.shape_inference.infer_shapes(onnx.load_model_from_string(content))
    given = model.graph.input[0]
    computed = [name for node in model.graph.node for name in node.output]
    if calibration is None:
        ranges = dict.fromkeys([given.name, *computed], _MADE_UP)
    else:
        shape = tuple(size.dim_value for size in given.type.tensor_type.shape.dim)[1:]
        check_calibration(calibration, shape)
        ranges = _observe(content, given.name, computed, calibration)
    quantizer = QDQQuantizer(
        model,
        per_channel=True,
        reduce_range=False,
        weight_qType=QuantType.QInt8,
        activation_qType=QuantType.QUInt8,
        tensors_range=TensorsData(CalibrationMethod.MinMax, _tensor_data(ranges)),
        nodes_to_quantize=[],
        nodes_to_exclude=[],
        op_types_to_quantize=sorted({*QLinearOpsRegistry, *QDQRegistry}),
        extra_options={},
    )
    quantizer.quantize_model()
    quantizer.model.topological_sort()
    quantized = quantizer.model.model
    if inner:
        _expose_integers(quantized.graph)
    return bytes(quantized.SerializeToString())


def _observe(
    content: bytes, given: str, computed: Sequence[str], calibration: NDArray[np.float32]
) -> dict[str, tuple[float, float]]:
    """Smallest and largest value of the input and of everything that nodes compute."""
    model = onnx.load_model_from_string(content)
    known = {output.name for output in model.graph.output}
    model.graph.output.extend(
        helper.make_empty_tensor_value_info(name) for name in computed if name not in known
    )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    # what is fused away has no value to look at
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    lows, highs = np.full(len(computed), np.inf), np.full(len(computed), -np.inf)
    for one in calibration:
        fed = np.ascontiguousarray(one[None], dtype=np.float32)
        values = session.run(computed, {given: fed})
        lows = np.minimum(lows, [value.min() for value in values])
        highs = np.maximum(highs, [value.max() for value in values])
    ranges = dict(zip(computed, zip(lows.tolist(), highs.tolist(), strict=True), strict=True))
    return {given: (float(calibration.min()), float(calibration.max())), **ranges}


def _tensor_data(ranges: dict[str, tuple[float, float]]) -> dict[str, TensorData]:
    return {
        name: TensorData(lowest=np.array(low, np.float32), highest=np.array(high, np.float32))
        for name, (low, high) in ranges.items()
    }


def _expose_integers(graph: onnx.GraphProto) -> None:
    """Make the input and the output of a quantized graph uint8, as they are inside a network."""
    given, result = graph.input[0], graph.output[0]
    first = _node(graph, "QuantizeLinear", taking=given.name)
    inside = first.output[0]
    graph.node.remove(first)
    for node in graph.node:
        node.input[:] = [given.name if name == inside else name for name in node.input]
    last = _node(graph, "DequantizeLinear", giving=result.name)
    if last is not None:
        inside = last.input[0]
        graph.node.remove(last)
        for node in graph.node:
            for names in (node.input, node.output):
                names[:] = [result.name if name == inside else name for name in names]
    else:
        # it ends in fp32, with hard-swish: the next layer would quantize it
        final = _node(graph, giving=result.name)
        final.output[0] = "output.fp32"
        scale = numpy_helper.from_array(np.array(_MADE_UP_SCALE, np.float32), "output.scale")
        zero = numpy_helper.from_array(np.array(_MADE_UP_ZERO, np.uint8), "output.zero")
        graph.initializer.extend([scale, zero])
        inputs = ["output.fp32", scale.name, zero.name]
        graph.node.append(helper.make_node("QuantizeLinear", inputs, [result.name]))
    for value in (given, result):
        value.type.tensor_type.elem_type = TensorProto.UINT8


def _node(graph: onnx.GraphProto, op: str = "", *, taking: str = "", giving: str = "") -> Any:
    """The first node of a kind that takes or gives a value; None when there is none."""
    for node in graph.node:
        if op in ("", node.op_type) and (taking in node.input or giving in node.output):
            return node
    return None
