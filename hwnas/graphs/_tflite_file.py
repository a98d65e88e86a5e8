"""The TFLite flatbuffer: tensors, operators and buffers as they are added, then the file's bytes.

Needs ai-edge-litert for the schema's classes, and numpy.
"""

from collections.abc import Sequence
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

SIGNATURE = "serving_default"
"""Name of the file's only signature, whose input and output are ``input`` and ``output``."""

_FILE_IDENTIFIER = b"TFL3"
_SCHEMA_VERSION = 3
_ALIGNMENT = 16  # what the schema demands of constants: kernels load them without a copy
_TYPES = {
    np.dtype(np.float32): schema.TensorType.FLOAT32,
    np.dtype(np.float16): schema.TensorType.FLOAT16,
    np.dtype(np.int32): schema.TensorType.INT32,
}
_VERSIONS = {schema.BuiltinOperator.FULLY_CONNECTED: 5}  # that came with keepNumDims; others 1
_NO_BUFFER = 0  # by convention the first buffer is empty, and activations name it


class TFLiteFile:
    """A model with one subgraph."""

    def __init__(self) -> None:
        self._tensors: list[Any] = []
        self._operators: list[Any] = []
        self._buffers: list[Any] = [_AlignedBuffer()]
        self._codes: dict[int, int] = {}

    def activation(self, name: str, shape: Sequence[int]) -> int:
        """A tensor that the runtime computes, fp32; returns its index."""
        return self._tensor(name, shape, np.dtype(np.float32), _NO_BUFFER)

    def constant(self, name: str, array: NDArray[Any]) -> int:
        """A tensor that the file holds: fp32, fp16 or int32; returns its index."""
        buffer = _AlignedBuffer()
        buffer.data = np.ascontiguousarray(array).view(np.uint8).reshape(-1)
        self._buffers.append(buffer)
        return self._tensor(name, array.shape, array.dtype, len(self._buffers) - 1)

    def operator(self, name: str, inputs: Sequence[int], output: int, options: Any = None) -> int:
        """Append an operator and return its output.

        Args:
            name: Of the builtin operator, such as ``CONV_2D``.
            inputs: Tensor indices; -1 for an optional input that is left out.
            output: Tensor index.
            options: The schema's options object of that operator, if it has one.
        """
        operator = schema.OperatorT()
        operator.opcodeIndex = self._code(name)
        operator.inputs = np.array(inputs, np.int32)
        operator.outputs = np.array([output], np.int32)
        if options is not None:
            kind = type(options).__name__.removesuffix("T")
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, kind)
            operator.builtinOptions = options
        self._operators.append(operator)
        return output

    def finish(self, given: int, result: int) -> bytes:
        """The file, whose signature takes one tensor and gives another."""
        graph = schema.SubGraphT()
        graph.name = "main"
        graph.tensors, graph.operators = self._tensors, self._operators
        graph.inputs, graph.outputs = np.array([given], np.int32), np.array([result], np.int32)
        signature = schema.SignatureDefT()
        signature.signatureKey, signature.subgraphIndex = SIGNATURE, 0
        signature.inputs = [self._named(given)]
        signature.outputs = [self._named(result)]
        model = schema.ModelT()
        model.version, model.description = _SCHEMA_VERSION, "hwnas"
        model.operatorCodes = [_operator_code(code) for code in self._codes]
        model.subgraphs, model.buffers, model.signatureDefs = [graph], self._buffers, [signature]
        stored = sum(buffer.data.size for buffer in self._buffers if buffer.data is not None)
        builder = flatbuffers.Builder(stored + 1024 * (len(self._tensors) + 1))
        builder.Finish(model.Pack(builder), _FILE_IDENTIFIER)
        return bytes(builder.Output())

    def _tensor(self, name: str, shape: Sequence[int], dtype: np.dtype[Any], buffer: int) -> int:
        tensor = schema.TensorT()
        tensor.name, tensor.shape = name, np.array(shape, np.int32)
        tensor.type, tensor.buffer = _TYPES[dtype], buffer
        tensor.hasRank = True
        self._tensors.append(tensor)
        return len(self._tensors) - 1

    def _code(self, name: str) -> int:
        code = getattr(schema.BuiltinOperator, name)
        return self._codes.setdefault(code, len(self._codes))

    def _named(self, tensor: int) -> Any:
        entry = schema.TensorMapT()
        entry.name, entry.tensorIndex = self._tensors[tensor].name, tensor
        return entry


class _AlignedBuffer(schema.BufferT):  # type: ignore[misc]
    """A buffer whose data starts at a multiple of 16 bytes, which the generated class forgets."""

    def Pack(self, builder: Any) -> Any:  # noqa: N802
        if self.data is None:
            return super().Pack(builder)
        size = self.data.size
        builder.StartVector(1, size, _ALIGNMENT)
        builder.head -= size
        builder.Bytes[builder.head : builder.head + size] = self.data.tobytes()
        data = builder.EndVector()
        schema.BufferStart(builder)
        schema.BufferAddData(builder, data)
        return schema.BufferEnd(builder)


def _operator_code(code: int) -> Any:
    entry = schema.OperatorCodeT()
    entry.builtinCode, entry.version = code, _VERSIONS.get(code, 1)
    # readers older than the field above look here
    entry.deprecatedBuiltinCode = min(code, schema.BuiltinOperator.PLACEHOLDER_FOR_GREATER_OP_CODES)
    return entry
