package io.lychee.rerank.qwen;

import com.sun.jna.Pointer;
import io.lychee.rerank.torch.FusedKernels;
import io.lychee.rerank.torch.TorchOperators;
import io.lychee.rerank.torch.TorchOperators.TensorView;
import java.util.List;

/** Implements the operators of fused.py for float32 tensors of the CPU, as their documentation says, in doubles. */
final class JavaOperators {

    private static final double LARGEST_E4M3 = 448;

    private static boolean registered;

    private JavaOperators() {}

    /** Registers them, once in a process. */
    static synchronized void register() {
        if (registered) {
            return;
        }
        registered = true;
        FusedKernels.define();
        TorchOperators.implement("rotate_", "CPU", (tensors, none) -> rotate(tensors.get(0), tensors.get(1)));
        TorchOperators.implement("silu_mul_", "CPU", (tensors, none) -> {
            TensorView gate = tensors.get(0);
            for (int row = 0; row < gate.size(0); row++) {
                set(gate, row, siluMul(row(gate, row), row(tensors.get(1), row)));
            }
        });
        TorchOperators.implement("add_rms_", "CPU", (tensors, eps) -> {
            for (int row = 0; row < tensors.get(0).size(0); row++) {
                set(tensors.get(3), row, addRms(tensors, row, eps));
            }
        });
        TorchOperators.implement("add_rms_e4m3_", "CPU", (tensors, eps) -> {
            for (int row = 0; row < tensors.get(0).size(0); row++) {
                setE4m3(tensors.get(3), tensors.get(4), row, addRms(tensors, row, eps));
            }
        });
        TorchOperators.implement("silu_mul_e4m3_", "CPU", (tensors, none) -> {
            for (int row = 0; row < tensors.get(0).size(0); row++) {
                setE4m3(
                        tensors.get(2),
                        tensors.get(3),
                        row,
                        siluMul(row(tensors.get(0), row), row(tensors.get(1), row)));
            }
        });
        TorchOperators.implement("e4m3_", "CPU", (tensors, none) -> {
            for (int row = 0; row < tensors.get(0).size(0); row++) {
                setE4m3(tensors.get(1), tensors.get(2), row, row(tensors.get(0), row));
            }
        });
        TorchOperators.implement("attend_", "CPU", (tensors, none) -> {
            Heads q = new Heads(tensors.get(0));
            Heads k = new Heads(tensors.get(1));
            Heads v = new Heads(tensors.get(2));
            TensorView tiles = tensors.get(3);
            for (int tile = 0; tile < tiles.size(0); tile++) {
                attend(q, k, v, tensors.get(4), new Pointer(tiles.contiguous()).getIntArray(20L * tile, 5));
            }
        });
    }

    /** @param tile see attention.py: first row, rows, first key that all attend to, their number, first causal key */
    private static void attend(Heads q, Heads k, Heads v, TensorView y, int[] tile) {
        int group = q.heads / k.heads;
        int width = q.width;
        for (int row = tile[0]; row < tile[0] + tile[1]; row++) {
            for (int head = 0; head < q.heads; head++) {
                int query = q.at(row, head);
                double[] sum = new double[width];
                double weights = 0;
                for (int i = 0; i < tile[3] + Math.max(0, row + 1 - tile[4]); i++) {
                    int key = i < tile[3] ? tile[2] + i : tile[4] + i - tile[3];
                    int other = k.at(key, head / group);
                    double product = 0;
                    for (int j = 0; j < width; j++) {
                        product += q.numbers[query + j] * k.numbers[other + j];
                    }
                    double weight = Math.exp(product / Math.sqrt(width));
                    weights += weight;
                    int value = v.at(key, head / group);
                    for (int j = 0; j < width; j++) {
                        sum[j] += weight * v.numbers[value + j];
                    }
                }
                float[] output = new float[width];
                for (int j = 0; j < width; j++) {
                    output[j] = (float) (sum[j] / weights);
                }
                long at = 4L * (row * q.heads + head) * width;
                new Pointer(y.contiguous()).write(at, output, 0, width);
            }
        }
    }

    /** The numbers of a tensor (rows, heads, width) whose rows may be parts of wider ones. */
    private static final class Heads {

        private final float[] numbers;
        private final int heads;
        private final int width;
        private final int stride;

        private Heads(TensorView x) {
            heads = (int) x.size(1);
            width = (int) x.size(2);
            stride = (int) x.stride(0);
            numbers = new Pointer(x.address()).getFloatArray(0, (int) (x.size(0) - 1) * stride + heads * width);
        }

        private int at(int row, int head) {
            return row * stride + head * width;
        }
    }

    private static void rotate(TensorView x, TensorView turns) {
        int headDim = (int) x.size(2);
        for (int row = 0; row < x.size(0); row++) {
            float[] turn = new Pointer(turns.contiguous()).getFloatArray(4L * row * headDim, headDim);
            for (int head = 0; head < x.size(1); head++) {
                long at = 4 * (row * x.stride(0) + head * x.stride(1));
                float[] v = new Pointer(x.address()).getFloatArray(at, headDim);
                for (int i = 0; i < headDim; i += 2) {
                    float real = v[i] * turn[i] - v[i + 1] * turn[i + 1];
                    v[i + 1] = v[i] * turn[i + 1] + v[i + 1] * turn[i];
                    v[i] = real;
                }
                new Pointer(x.address()).write(at, v, 0, headDim);
            }
        }
    }

    private static double[] siluMul(double[] gate, double[] up) {
        double[] product = new double[gate.length];
        for (int i = 0; i < gate.length; i++) {
            product[i] = gate[i] / (1 + Math.exp(-gate[i])) * up[i];
        }
        return product;
    }

    /** Adds delta to x, in place, unless it is empty; returns the normalised row. */
    private static double[] addRms(List<TensorView> tensors, int row, double eps) {
        double[] x = row(tensors.get(0), row);
        if (tensors.get(1).numbers() > 0) {
            double[] delta = row(tensors.get(1), row);
            for (int i = 0; i < x.length; i++) {
                x[i] += delta[i];
            }
            set(tensors.get(0), row, x);
        }
        double[] weight = row(tensors.get(2), 0);
        double squares = 0;
        for (double value : x) {
            squares += value * value;
        }
        double rms = Math.sqrt(squares / x.length + eps);
        for (int i = 0; i < x.length; i++) {
            x[i] = x[i] / rms * weight[i];
        }
        return x;
    }

    private static void setE4m3(TensorView y, TensorView scales, int row, double[] values) {
        double most = 0;
        for (double value : values) {
            most = Math.max(most, Math.abs(value));
        }
        float scale = (float) (Math.max(most, 1e-12) / LARGEST_E4M3);
        new Pointer(scales.contiguous()).setFloat(4L * row, scale);
        byte[] bytes = new byte[values.length];
        for (int i = 0; i < bytes.length; i++) {
            bytes[i] = e4m3(values[i] / scale);
        }
        new Pointer(y.contiguous()).write((long) row * bytes.length, bytes, 0, bytes.length);
    }

    /** Rounds to the nearest number of 1 sign, 4 exponent (bias 7) and 3 mantissa bits; ties to even. */
    static byte e4m3(double value) {
        double magnitude = Math.min(Math.abs(value), LARGEST_E4M3);
        int exponent = Math.max(-6, Math.getExponent(magnitude)); // below 2^-6 steps stay the same
        double steps = Math.rint(magnitude / Math.scalb(1.0, exponent - 3)); // 8 to 16, below 8 without exponent
        int bits = (int) steps + (exponent + 6) * 8; // a carry moves into the exponent
        return (byte) (bits | (value < 0 ? 0x80 : 0));
    }

    private static double[] row(TensorView x, int row) {
        int width = (int) x.size(x.dimensions() - 1);
        float[] numbers = new Pointer(x.contiguous()).getFloatArray(4L * row * width, width);
        double[] doubles = new double[width];
        for (int i = 0; i < width; i++) {
            doubles[i] = numbers[i];
        }
        return doubles;
    }

    private static void set(TensorView x, int row, double[] values) {
        float[] numbers = new float[values.length];
        for (int i = 0; i < numbers.length; i++) {
            numbers[i] = (float) values[i];
        }
        new Pointer(x.contiguous()).write(4L * row * numbers.length, numbers, 0, numbers.length);
    }
}
