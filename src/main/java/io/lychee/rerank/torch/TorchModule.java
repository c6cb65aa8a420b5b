package io.lychee.rerank.torch;

import ai.djl.Device;
import ai.djl.MalformedModelException;
import ai.djl.Model;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.pytorch.engine.PtNDManager;
import ai.djl.pytorch.engine.PtSymbolBlock;
import ai.djl.pytorch.jni.IValue;
import ai.djl.pytorch.jni.IValueUtils;
import ai.djl.pytorch.jni.JniUtils;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.ref.Reference;
import java.nio.Buffer;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.LongBuffer;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;

/**
 * Loads a TorchScript module into DJL's PyTorch engine and calls its methods. Native memory: close it and its calls.
 */
public final class TorchModule implements AutoCloseable {

    private static final int ALIGNMENT = 64;

    private static final long MAX_STAGING = Integer.MAX_VALUE - 8; // the largest buffer

    private final Model model;
    private final PtSymbolBlock block;
    private ByteBuffer staging = ByteBuffer.allocateDirect(1 << 20); // grows to the largest call

    private TorchModule(Model model) {
        this.model = model;
        this.block = (PtSymbolBlock) model.getBlock();
    }

    /**
     * Compiles the archive's source and makes its object, which computes on whatever device its source names.
     *
     * @param archive see {@link TorchScriptArchive}
     * @throws IllegalStateException when TorchScript refuses the source; its cause names the line
     */
    public static TorchModule load(byte[] archive) {
        Model model = Model.newInstance("reranker", Device.cpu(), "PyTorch");
        try {
            model.load(new ByteArrayInputStream(archive), Map.of());
            Files.deleteIfExists(model.getModelPath()); // an empty folder of DJL; a process that halts would leave it
        } catch (IOException e) {
            model.close();
            throw new UncheckedIOException(e);
        } catch (MalformedModelException | RuntimeException e) {
            model.close();
            throw new IllegalStateException("TorchScript refuses the network's source", e);
        }
        return new TorchModule(model);
    }

    /** Opens a scope for arguments and results, on the CPU: closing it frees them all. */
    public Call call() {
        return new Call(model.getNDManager().newSubManager(Device.cpu()));
    }

    @Override
    public void close() {
        model.close();
    }

    /** Holds the arguments and results of some method calls. For one thread at a time. */
    public final class Call implements AutoCloseable {

        private final PtNDManager manager;
        private final List<IValue> values = new ArrayList<>(); // not managed by DJL: close each
        private final List<Buffer> buffers = new ArrayList<>(); // tensors point into them
        private int staged; // bytes of the module's staging memory in use by this call

        private Call(NDManager manager) {
            this.manager = (PtNDManager) manager;
        }

        /** Wraps a direct buffer in native byte order as a tensor, without a copy. */
        public IValue tensor(Buffer data, Shape shape, DataType type) {
            buffers.add(data);
            return own(IValue.from(manager.create(data, shape, type)));
        }

        /** Copies the values into an int64 tensor: (values). */
        public IValue tensor(long[] values) {
            ByteBuffer data = staging(values.length * Long.BYTES);
            data.asLongBuffer().put(values);
            return tensor(data, new Shape(values.length), DataType.INT64);
        }

        /** Copies the values into an int64 tensor: (rows, columns). */
        public IValue tensor(long[][] values) {
            ByteBuffer data = staging(values.length * values[0].length * Long.BYTES);
            LongBuffer flat = data.asLongBuffer();
            for (long[] row : values) {
                flat.put(row);
            }
            return tensor(data, new Shape(values.length, values[0].length), DataType.INT64);
        }

        /**
         * Allocates direct memory for a tensor of this call. The next call reuses it, which spares the garbage
         * collector. For one thread at a time, and for methods that don't read it after they return.
         */
        public ByteBuffer staging(int bytes) {
            if (bytes > staging.capacity() - staged) {
                // earlier tensors of this call keep the old memory reachable
                staging = ByteBuffer.allocateDirect(
                        (int) Math.min(2L * Math.max(staging.capacity(), bytes), MAX_STAGING));
                staged = 0;
            }
            ByteBuffer slice = staging.slice(staged, bytes).order(ByteOrder.nativeOrder());
            staged += (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
            return slice;
        }

        /**
         * Calls a method of the module. PyTorch's error is thrown as an unchecked exception.
         *
         * @param arguments tensors, and String, Boolean, Integer, Long, or {@code long[]} for a List[int]
         */
        public IValue run(String method, Object... arguments) {
            // a setting of this thread; fused kernels would be compiled for each new shape, and every pass has one
            JniUtils.setGraphExecutorOptimize(false);
            IValue[] inputs = Arrays.stream(arguments).map(this::value).toArray(IValue[]::new);
            TorchOperators.forgetFailure();
            IValue result = own(IValueUtils.runMethod(block, method, inputs));
            TorchOperators.throwFailure();
            return result;
        }

        private IValue value(Object argument) {
            if (argument instanceof IValue value) {
                return value;
            } else if (argument instanceof String text) {
                return own(IValue.from(text));
            } else if (argument instanceof Boolean flag) {
                return own(IValue.from(flag));
            } else if (argument instanceof long[] list) {
                return own(IValue.listFrom(list));
            }
            return own(IValue.from(((Number) argument).longValue()));
        }

        /** Copies the values of a float32 tensor on the CPU, in row-major order. */
        public float[] floats(IValue tensor) {
            return tensor.toTensor(manager).toFloatArray();
        }

        private IValue own(IValue value) {
            values.add(value);
            return value;
        }

        @Override
        public void close() {
            try {
                values.forEach(IValue::close);
                manager.close();
            } finally {
                Reference.reachabilityFence(buffers);
            }
        }
    }
}
