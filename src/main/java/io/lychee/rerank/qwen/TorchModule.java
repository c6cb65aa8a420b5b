package io.lychee.rerank.qwen;

import ai.djl.MalformedModelException;
import ai.djl.Model;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.pytorch.engine.PtNDArray;
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
import java.nio.LongBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** A TorchScript module in DJL's PyTorch engine, and calls of its methods. Native memory: close it and every call. */
final class TorchModule implements AutoCloseable {

    private final Model model;
    private final PtSymbolBlock block;
    private final boolean optimize;

    private TorchModule(Model model, boolean optimize) {
        this.model = model;
        this.block = (PtSymbolBlock) model.getBlock();
        this.optimize = optimize;
    }

    /** @param optimize let PyTorch fuse what it has seen twice; pays on a GPU, delays the first calls on a CPU */
    static TorchModule load(byte[] archive, boolean optimize) {
        Model model = Model.newInstance("reranker", TorchDevice.javaSide(), "PyTorch");
        try {
            model.load(new ByteArrayInputStream(archive), Map.of());
        } catch (IOException e) {
            model.close();
            throw new UncheckedIOException(e);
        } catch (MalformedModelException | RuntimeException e) {
            model.close();
            throw new IllegalStateException("TorchScript refuses the network's source", e);
        }
        return new TorchModule(model, optimize);
    }

    /** A scope for what goes in and comes out: all of it is freed when the call is closed. */
    Call call() {
        return new Call(model.getNDManager().newSubManager(TorchDevice.javaSide()));
    }

    @Override
    public void close() {
        model.close();
    }

    /** Owned by one thread. */
    final class Call implements AutoCloseable {

        private final PtNDManager manager;
        private final List<IValue> values = new ArrayList<>(); // not managed: each must be closed
        private final List<Buffer> buffers = new ArrayList<>(); // tensors point into them

        private Call(NDManager manager) {
            this.manager = (PtNDManager) manager;
        }

        /** @param data direct, native byte order; not copied */
        IValue tensor(Buffer data, Shape shape, DataType type) {
            buffers.add(data);
            return own(IValue.from(manager.create(data, shape, type)));
        }

        /** (values) */
        IValue tensor(long[] values) {
            return own(IValue.from((PtNDArray) manager.create(values)));
        }

        /** (rows, columns) */
        IValue tensor(long[][] values) {
            LongBuffer flat = LongBuffer.allocate(values.length * values[0].length);
            for (long[] row : values) {
                flat.put(row);
            }
            return own(IValue.from(
                    (PtNDArray) manager.create(flat.array(), new Shape(values.length, values[0].length))));
        }

        /** List[int] */
        IValue list(long[] values) {
            return own(IValue.listFrom(values));
        }

        IValue value(String value) {
            return own(IValue.from(value));
        }

        IValue value(boolean value) {
            return own(IValue.from(value));
        }

        IValue run(String method, IValue... arguments) {
            JniUtils.setGraphExecutorOptimize(optimize); // of this thread
            return own(IValueUtils.runMethod(block, method, arguments));
        }

        /** The numbers of a float32 tensor on the CPU, in row-major order. */
        float[] floats(IValue tensor) {
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
