package io.lychee.rerank.torch;

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
import java.util.List;
import java.util.Map;

/** A TorchScript module in DJL's PyTorch engine, and calls of its methods. Native memory: close it and every call. */
public final class TorchModule implements AutoCloseable {

    private static final int ALIGNMENT = 64;

    private static final long MAX_STAGING = Integer.MAX_VALUE - 8; // what a buffer can hold

    private final Model model;
    private final PtSymbolBlock block;
    private ByteBuffer staging = ByteBuffer.allocateDirect(1 << 20); // grows to what a pass needs, and stays

    private TorchModule(Model model) {
        this.model = model;
        this.block = (PtSymbolBlock) model.getBlock();
    }

    public static TorchModule load(byte[] archive) {
        Model model = Model.newInstance("reranker", TorchDevice.javaSide(), "PyTorch");
        try {
            model.load(new ByteArrayInputStream(archive), Map.of());
            Files.deleteIfExists(model.getModelPath()); // made by DJL for nothing; processes that halt leave it
        } catch (IOException e) {
            model.close();
            throw new UncheckedIOException(e);
        } catch (MalformedModelException | RuntimeException e) {
            model.close();
            throw new IllegalStateException("TorchScript refuses the network's source", e);
        }
        return new TorchModule(model);
    }

    /** A scope for what goes in and comes out: all of it is freed when the call is closed. */
    public Call call() {
        return new Call(model.getNDManager().newSubManager(TorchDevice.javaSide()));
    }

    @Override
    public void close() {
        model.close();
    }

    /** For one thread at a time. */
    public final class Call implements AutoCloseable {

        private final PtNDManager manager;
        private final List<IValue> values = new ArrayList<>(); // not managed: each must be closed
        private final List<Buffer> buffers = new ArrayList<>(); // tensors point into them
        private int staged; // bytes of the module's staging memory that this call has

        private Call(NDManager manager) {
            this.manager = (PtNDManager) manager;
        }

        /** @param data direct, native byte order; not copied */
        public IValue tensor(Buffer data, Shape shape, DataType type) {
            buffers.add(data);
            return own(IValue.from(manager.create(data, shape, type)));
        }

        /** (values) */
        public IValue tensor(long[] values) {
            ByteBuffer data = staging(values.length * Long.BYTES);
            data.asLongBuffer().put(values);
            return tensor(data, new Shape(values.length), DataType.INT64);
        }

        /** (rows, columns) */
        public IValue tensor(long[][] values) {
            ByteBuffer data = staging(values.length * values[0].length * Long.BYTES);
            LongBuffer flat = data.asLongBuffer();
            for (long[] row : values) {
                flat.put(row);
            }
            return tensor(data, new Shape(values.length, values[0].length), DataType.INT64);
        }

        /**
         * Direct memory for a tensor of this call; the next call gets the same, so that none is left to the garbage
         * collector. For one thread at a time, and for methods that are done with it, or have copied it, when they
         * return.
         */
        public ByteBuffer staging(int bytes) {
            if (bytes > staging.capacity() - staged) {
                // what other tensors of this call point into stays reachable through them
                staging = ByteBuffer.allocateDirect(
                        (int) Math.min(2L * Math.max(staging.capacity(), bytes), MAX_STAGING));
                staged = 0;
            }
            ByteBuffer slice = staging.slice(staged, bytes).order(ByteOrder.nativeOrder());
            staged += (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
            return slice;
        }

        /** List[int] */
        public IValue list(long[] values) {
            return own(IValue.listFrom(values));
        }

        public IValue value(String value) {
            return own(IValue.from(value));
        }

        public IValue value(long value) {
            return own(IValue.from(value));
        }

        public IValue value(boolean value) {
            return own(IValue.from(value));
        }

        public IValue run(String method, IValue... arguments) {
            // of this thread; what it would fuse is compiled anew for new shapes, and every pass has one
            JniUtils.setGraphExecutorOptimize(false);
            return own(IValueUtils.runMethod(block, method, arguments));
        }

        /** The numbers of a float32 tensor on the CPU, in row-major order. */
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
