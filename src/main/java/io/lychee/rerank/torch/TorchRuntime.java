package io.lychee.rerank.torch;

import ai.djl.engine.Engine;
import ai.djl.pytorch.jni.JniUtils;
import ai.djl.pytorch.jni.LibUtils;
import ai.djl.util.Utils;
import ai.djl.util.cuda.CudaUtils;
import io.lychee.rerank.config.ConfigException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.Callable;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * Starts PyTorch in this JVM, through DJL. Checks first that libtorch and DJL's JNI library have one version: a pair
 * that doesn't match crashes the process, or computes something else.
 */
public final class TorchRuntime {

    private static final String OFFLINE = "ai.djl.offline";

    /** {@code 2.7.1+cu128} in a libtorch archive's build-version, or a line of a Python package's version.py. */
    private static final Pattern VERSION =
            Pattern.compile("^(?:__version__ = ')?(\\d+\\.\\d+\\.\\d+)", Pattern.MULTILINE);

    private TorchRuntime() {}

    /**
     * Keeps DJL from downloading, and from asking cloud metadata services for seconds. Call before DJL's classes load;
     * {@code -Dai.djl.offline=false} lets DJL download.
     */
    public static void keepOffline() {
        if (System.getProperty(OFFLINE) == null && System.getenv("DJL_OFFLINE") == null) {
            System.setProperty(OFFLINE, "true");
        }
    }

    /**
     * Starts PyTorch, or returns it.
     *
     * @throws ConfigException when its libraries are missing, don't match or can't be loaded
     */
    static Engine engine() {
        keepOffline();
        requireMatchingLibraries();
        try {
            Engine engine = Engine.getEngine("PyTorch");
            // PyTorch's threads spin while they wait: one more than there are free cores is ten times slower
            if (System.getProperty("ai.djl.pytorch.num_threads") == null && System.getenv("OMP_NUM_THREADS") == null) {
                JniUtils.setNumThreads(Math.max(1, Runtime.getRuntime().availableProcessors() / 2));
            }
            return engine;
        } catch (RuntimeException | LinkageError e) {
            throw new ConfigException("PyTorch can't start: " + e, e);
        }
    }

    /**
     * Describes the native libraries by name: version and place. Each callable fails with what is wrong with its own.
     */
    public static Map<String, Callable<String>> libraries() {
        Map<String, Callable<String>> libraries = new LinkedHashMap<>();
        libraries.put("DJL", Engine::getDjlVersion);
        libraries.put(
                "PyTorch",
                () -> engine().getVersion() + ", JNI " + LibUtils.getVersion() + ", in " + LibUtils.getLibtorchPath());
        libraries.put(
                "CUDA",
                () -> engine().getGpuCount() == 0
                        ? "none that PyTorch sees"
                        : CudaUtils.getCudaVersionString() + ", GPUs: " + engine().getGpuCount());
        return libraries;
    }

    /** Returns the file of one of libtorch's libraries, such as torch_cuda. */
    static Path library(String name) {
        return Path.of(LibUtils.getLibtorchPath()).resolve(System.mapLibraryName(name));
    }

    /** Recognizes out-of-memory by PyTorch's messages, its only sign: CUDA's allocator, the CPU's, cuBLAS. */
    public static boolean isOutOfMemory(Throwable e) {
        String message = String.valueOf(e.getMessage()).toLowerCase(Locale.ROOT);
        return message.contains("out of memory")
                || message.contains("can't allocate memory")
                || message.contains("cublas_status_alloc_failed");
    }

    /** Returns the last line of a PyTorch error: the reason, after the TorchScript stack. */
    public static String reason(Throwable e) {
        String text = String.valueOf(e.getMessage()).strip();
        return text.substring(text.lastIndexOf('\n') + 1);
    }

    static void requireMatchingLibraries() {
        String jni = property("jnilib/pytorch.properties", "jni_version");
        String folder = Utils.getEnvOrSystemProperty("PYTORCH_LIBRARY_PATH");
        if (folder != null) {
            requireMatchingLibraries(Path.of(folder), jni, Utils.getEnvOrSystemProperty("PYTORCH_FLAVOR"));
            return;
        }
        String natives = property("native/lib/pytorch.properties", "version");
        if (natives == null && Utils.isOfflineMode()) {
            throw new ConfigException("no PyTorch: expected the jar pytorch-native-cpu on the class path (on a cluster,"
                    + " what lib-cpu/ holds), or for a GPU PYTORCH_LIBRARY_PATH, PYTORCH_VERSION and PYTORCH_FLAVOR");
        }
        if (natives != null && !sameVersion(natives, jni)) {
            throw new ConfigException(
                    "the jar pytorch-native-cpu is of PyTorch %s, pytorch-jni of %s; expected the same"
                            .formatted(natives, jni));
        }
    }

    /** @param jni version of the JNI library in DJL's jar, null without one */
    static void requireMatchingLibraries(Path folder, @Nullable String jni, @Nullable String flavor) {
        if (!Files.isRegularFile(folder.resolve(System.mapLibraryName("torch")))) {
            throw new ConfigException("PYTORCH_LIBRARY_PATH is %s; expected the folder that holds %s"
                    .formatted(folder, System.mapLibraryName("torch")));
        }
        if (flavor == null) {
            throw new ConfigException("PYTORCH_LIBRARY_PATH is set and PYTORCH_FLAVOR is not; expected cpu or cu128");
        }
        if (Files.isRegularFile(folder.resolve(System.mapLibraryName("djl_torch")))) {
            return; // a JNI library of its own, built against it
        }
        String libtorch = version(folder);
        if (libtorch != null && !sameVersion(libtorch, jni)) {
            throw new ConfigException("PYTORCH_LIBRARY_PATH is %s with PyTorch %s, and DJL's JNI library is for %s;"
                            .formatted(folder, libtorch, jni)
                    + " expected that version, or a libdjl_torch.so built against this one in the same folder");
        }
    }

    /** Reads libtorch's version from the files that come with it; null when neither names one. */
    private static @Nullable String version(Path folder) {
        for (String name : List.of("build-version", "version.py")) {
            try {
                Matcher version =
                        VERSION.matcher(Files.readString(folder.toAbsolutePath().resolveSibling(name)));
                if (version.find()) {
                    return version.group(1);
                }
            } catch (IOException e) {
                // try the next
            }
        }
        return null;
    }

    /** Compares the first three numbers: 2.7.1-0.35.1 and 2.7.1-20250812 are the same. */
    private static boolean sameVersion(String a, @Nullable String b) {
        return b != null && a.split("[-+]", 2)[0].equals(b.split("[-+]", 2)[0]);
    }

    private static @Nullable String property(String resource, String key) {
        try (InputStream stream = TorchRuntime.class.getClassLoader().getResourceAsStream(resource)) {
            Properties properties = new Properties();
            if (stream != null) {
                properties.load(stream);
            }
            return properties.getProperty(key);
        } catch (IOException e) {
            throw new ConfigException(resource + " can't be read: " + e, e);
        }
    }
}
