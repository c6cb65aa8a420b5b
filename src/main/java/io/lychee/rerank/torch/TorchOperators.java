package io.lychee.rerank.torch;

import com.sun.jna.Callback;
import com.sun.jna.Library;
import com.sun.jna.Native;
import com.sun.jna.NativeLibrary;
import com.sun.jna.Pointer;
import com.sun.jna.ptr.IntByReference;
import com.sun.jna.ptr.LongByReference;
import com.sun.jna.ptr.PointerByReference;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * Registers operators of TorchScript text, implemented in Java, through libtorch's stable C interface (shim.h). Once in
 * a process: PyTorch has one table of operators.
 */
public final class TorchOperators {

    /** Text calls {@code torch.ops.lychee.NAME(…)}. */
    static final String NAMESPACE = "lychee";

    /** Frames of this file name appear in PyTorch's own messages. */
    private static final String FILE = "TorchOperators.java";

    private static final Pattern SCHEMA = Pattern.compile("(\\w+)\\((.+)\\) -> \\(\\)");

    private static final Map<String, Integer> DEFINED = new HashMap<>(); // tensors of each operator, by name
    private static final List<Object> REFERENCED = new ArrayList<>(); // the process calls them: never collected
    private static @Nullable Pointer definitions;

    /** The last exception of an implementation on this thread, which native code can't pass on. */
    private static final ThreadLocal<@Nullable Throwable> FAILURE = new ThreadLocal<>();

    private TorchOperators() {}

    /** Implements an operator for one kind of device. Runs on the thread that calls the network. */
    @FunctionalInterface
    public interface Implementation {

        /**
         * Writes the results into tensors that the schema marks as changed.
         *
         * @param tensors valid until it returns
         * @param number the float argument, 0 without one
         */
        void run(List<TensorView> tensors, double number);
    }

    /** The memory of a tensor: of the CPU, or of a GPU that reads it in the order of its current stream. */
    public record TensorView(Pointer handle) {

        /** Returns the address of the first number, 0 for a tensor of no numbers. */
        public long address() {
            PointerByReference data = new PointerByReference();
            check(Shim.aoti_torch_get_data_ptr(handle, data));
            return Pointer.nativeValue(data.getValue());
        }

        /** Returns the dtype, as {@link TorchScriptSource#scalarType} numbers them. */
        public int scalarType() {
            IntByReference type = new IntByReference();
            check(Shim.aoti_torch_get_dtype(handle, type));
            return type.getValue();
        }

        public long numbers() {
            LongByReference count = new LongByReference();
            check(Shim.aoti_torch_get_numel(handle, count));
            return count.getValue();
        }

        public int dimensions() {
            LongByReference count = new LongByReference();
            check(Shim.aoti_torch_get_dim(handle, count));
            return (int) count.getValue();
        }

        public long size(int dimension) {
            PointerByReference sizes = new PointerByReference();
            check(Shim.aoti_torch_get_sizes(handle, sizes));
            return sizes.getValue().getLong(8L * dimension);
        }

        /** Returns the distance of neighbours in a dimension, in numbers. */
        public long stride(int dimension) {
            PointerByReference strides = new PointerByReference();
            check(Shim.aoti_torch_get_strides(handle, strides));
            return strides.getValue().getLong(8L * dimension);
        }

        /**
         * Returns the address of numbers that follow each other in row-major order.
         *
         * @throws IllegalArgumentException when these don't
         */
        public long contiguous() {
            long expected = 1;
            for (int i = dimensions() - 1; i >= 0; i--) {
                if (size(i) != 1 && stride(i) != expected && numbers() > 0) {
                    throw new IllegalArgumentException(
                            "a tensor has stride %d in dimension %d; expected %d".formatted(stride(i), i, expected));
                }
                expected *= size(i);
            }
            return address();
        }

        /** Returns the device's index: 2 for cuda:2. */
        public int device() {
            IntByReference index = new IntByReference();
            check(Shim.aoti_torch_get_device_index(handle, index));
            return index.getValue();
        }
    }

    /**
     * Defines an operator, before a module that calls it is loaded. Does nothing where it is defined.
     *
     * @param schema tensors, then at most one float: {@code scale_(Tensor(a!) x, Tensor y, float factor) -> ()}
     * @throws RuntimeException when libtorch has no stable C interface, or refuses the schema
     */
    public static synchronized void define(String schema) {
        var parts = SCHEMA.matcher(schema);
        if (!parts.matches()) {
            throw new IllegalArgumentException("schema " + schema);
        }
        if (DEFINED.containsKey(parts.group(1))) {
            return;
        }
        Pointer library = definitions;
        if (library == null) {
            PointerByReference made = new PointerByReference();
            check(Shim.aoti_torch_library_init_fragment(NAMESPACE, FILE, 0, made));
            library = made.getValue();
            definitions = library;
        }
        check(Shim.aoti_torch_library_def(library, schema));
        DEFINED.put(parts.group(1), parts.group(2).split("Tensor", -1).length - 1);
    }

    /** Returns whether text may call this operator. */
    static synchronized boolean isDefined(String name) {
        return DEFINED.containsKey(name);
    }

    /**
     * Implements a defined operator, once for each kind of device.
     *
     * @param devices CPU or CUDA
     */
    public static synchronized void implement(String name, String devices, Implementation implementation) {
        int tensors = Objects.requireNonNull(DEFINED.get(name), name);
        PointerByReference library = new PointerByReference();
        check(Shim.aoti_torch_library_init_impl(NAMESPACE, devices, FILE, 0, library));
        Kernel kernel = (stack, arguments, outputs) -> run(implementation, stack, tensors, arguments);
        REFERENCED.add(kernel);
        check(Shim.aoti_torch_library_impl(library.getValue(), name, kernel));
    }

    /** Throws nothing: an exception would end in native code. */
    private static void run(Implementation implementation, Pointer stack, int tensors, long arguments) {
        List<TensorView> views = new ArrayList<>(tensors);
        try {
            for (int i = 0; i < tensors; i++) {
                views.add(new TensorView(new Pointer(stack.getLong(8L * i))));
            }
            implementation.run(views, arguments > tensors ? stack.getDouble(8L * tensors) : 0);
        } catch (Throwable e) {
            FAILURE.set(e);
        } finally {
            views.forEach(view -> Shim.aoti_torch_delete_tensor_object(view.handle));
        }
    }

    /** Forgets a failure whose call ended with another exception. */
    static void forgetFailure() {
        FAILURE.remove();
    }

    /** Throws what an implementation threw on this thread since the last call. */
    static void throwFailure() {
        Throwable failure = FAILURE.get();
        if (failure != null) {
            FAILURE.remove();
            throw new IllegalStateException("a kernel failed: " + failure.getMessage(), failure);
        }
    }

    private static void check(int error) {
        if (error != 0) {
            throw new IllegalStateException("libtorch's C interface failed; PyTorch's log has the reason");
        }
    }

    private interface Kernel extends Callback {

        /** Receives 8 bytes an argument; owns its tensors. */
        void run(Pointer stack, long arguments, long outputs);
    }

    /** Maps shim.h of libtorch_cpu. Each function returns 0 or an error. */
    private static final class Shim {

        static {
            TorchRuntime.engine(); // loads libtorch
            Path path = TorchRuntime.library("torch_cpu");
            Native.register(
                    Shim.class, NativeLibrary.getInstance(path.toString(), Map.of(Library.OPTION_OPEN_FLAGS, 1)));
        }

        static native int aoti_torch_library_init_fragment(
                String namespace, String file, int line, PointerByReference library);

        static native int aoti_torch_library_init_impl(
                String namespace, String key, String file, int line, PointerByReference library);

        static native int aoti_torch_library_def(Pointer library, String schema);

        static native int aoti_torch_library_impl(Pointer library, String name, Kernel kernel);

        static native int aoti_torch_get_data_ptr(Pointer tensor, PointerByReference address);

        static native int aoti_torch_get_numel(Pointer tensor, LongByReference count);

        static native int aoti_torch_get_dtype(Pointer tensor, IntByReference type);

        static native int aoti_torch_get_dim(Pointer tensor, LongByReference count);

        static native int aoti_torch_get_sizes(Pointer tensor, PointerByReference sizes);

        static native int aoti_torch_get_strides(Pointer tensor, PointerByReference strides);

        static native int aoti_torch_get_device_index(Pointer tensor, IntByReference index);

        static native int aoti_torch_delete_tensor_object(Pointer tensor);
    }
}
