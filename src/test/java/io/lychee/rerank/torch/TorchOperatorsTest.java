package io.lychee.rerank.torch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.pytorch.jni.IValue;
import com.sun.jna.Pointer;
import java.nio.FloatBuffer;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** Calls operators that are written in Java from TorchScript text. */
class TorchOperatorsTest {

    private static final String TEXT = """
            import torch
            from torch import Tensor
            from torch.nn import Module


            class Caller(Module):
                def call(self, x: Tensor, y: Tensor) -> Tensor:
                    torch.ops.lychee.test_add_(x, y, 0.5)
                    return x

                def missing(self, x: Tensor) -> Tensor:
                    torch.ops.lychee.test_missing_(x)
                    return x
            """;

    @Test
    void textCallsOperatorsOfJava() {
        TorchOperators.define("test_add_(Tensor(a!) x, Tensor y, float factor) -> ()");
        TorchOperators.implement("test_add_", "CPU", (tensors, factor) -> {
            var x = tensors.get(0);
            var y = tensors.get(1);
            if (x.numbers() != y.numbers()) {
                throw new IllegalArgumentException(x.numbers() + " and " + y.numbers() + " numbers");
            }
            assertThat(x.size(1)).isEqualTo(2);
            assertThat(x.scalarType()).isEqualTo(TorchScriptSource.scalarType("float32"));
            assertThat(x.stride(0)).isEqualTo(2);
            for (long at = 0; at < 4 * x.numbers(); at += 4) {
                float sum =
                        new Pointer(x.address()).getFloat(at) + (float) factor * new Pointer(y.address()).getFloat(at);
                new Pointer(x.address()).setFloat(at, sum);
            }
        });
        TorchOperators.define("test_add_(Tensor(a!) x, Tensor y, float factor) -> ()"); // does nothing
        byte[] archive = TorchScriptArchive.write(
                TorchScriptSource.translate(Map.of("caller", TEXT)), "caller.Caller", Map.of("training", false));
        try (TorchModule module = TorchModule.load(archive);
                TorchModule.Call call = module.call()) {
            IValue x = tensor(call, 1, 2, 3, 4);
            assertThat(call.floats(call.run("call", x, tensor(call, 10, 20, 30, 40))))
                    .containsExactly(6, 12, 18, 24);
            assertThatThrownBy(() -> call.run("call", x, tensor(call, 1, 2)))
                    .hasMessage("a kernel failed: 4 and 2 numbers");
            // the next call is a new one
            assertThat(call.floats(call.run("call", x, tensor(call, 0, 0, 0, 0))))
                    .containsExactly(6, 12, 18, 24);
            // an operator that could not be registered fails where it is called, not where the text is loaded
            assertThatThrownBy(() -> call.run("missing", x)).hasMessageContaining("AssertionError");
        }
    }

    @Test
    void theKernelsHaveAFunctionForEachOperator() {
        assertThat(FusedKernels.source("rows.cu"))
                .contains("void rotate_(", "void silu_mul_(", "add_rms_##HELD", "add_rms_e4m3_##HELD")
                .contains("silu_mul_e4m3_##HELD", "(e4m3_##HELD");
        assertThat(FusedKernels.source("attention.cu")).contains(" attend(");
    }

    private static IValue tensor(TorchModule.Call call, float... values) {
        return call.tensor(FloatBuffer.wrap(values), new Shape(values.length / 2, 2), DataType.FLOAT32);
    }
}
