package io.lychee.rerank.torch;

import ai.djl.util.Utils;
import io.lychee.rerank.config.ConfigException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Properties;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * Whether libtorch and the JNI library that DJL will load fit each other, said before they are loaded: a pair that
 * doesn't fit crashes the process, or computes something else.
 */
public final class TorchLibraries {

    /** {@code 2.7.1+cu128} of a libtorch archive's build-version, or of the line in a Python package's version.py. */
    private static final Pattern VERSION = Pattern.compile("(?:__version__ = ')?(\\d+\\.\\d+\\.\\d+)[+'\\s]?");

    private TorchLibraries() {}

    /** @throws ConfigException when they don't, or one is missing */
    public static void requireFit() {
        String jni = property("jnilib/pytorch.properties", "jni_version");
        String folder = Utils.getEnvOrSystemProperty("PYTORCH_LIBRARY_PATH");
        if (folder != null) {
            requireFit(Path.of(folder), jni, Utils.getEnvOrSystemProperty("PYTORCH_FLAVOR"));
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

    /** @param jni version of the JNI library that DJL brings, null when it brings none */
    public static void requireFit(Path folder, @Nullable String jni, @Nullable String flavor) {
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
            throw new ConfigException(
                    ("PYTORCH_LIBRARY_PATH is %s with PyTorch %s, and DJL's JNI library is for %s; expected that version,"
                                    + " or a libdjl_torch.so built against this one in the same folder")
                            .formatted(folder, libtorch, jni));
        }
    }

    /** Where it came from says which version it is; null where nothing says so. */
    private static @Nullable String version(Path folder) {
        Path parent = folder.toAbsolutePath().getParent();
        if (parent == null) {
            return null;
        }
        for (String name : new String[] {"build-version", "version.py"}) {
            try {
                for (String line : Files.readAllLines(parent.resolve(name))) {
                    Matcher version = VERSION.matcher(line);
                    if (version.lookingAt()) {
                        return version.group(1);
                    }
                }
            } catch (IOException e) {
                // not this one
            }
        }
        return null;
    }

    /** Whether both begin with the same three numbers: 2.7.1-0.35.1 and 2.7.1-20250812 do. */
    private static boolean sameVersion(String a, @Nullable String b) {
        return b != null && a.split("[-+]", 2)[0].equals(b.split("[-+]", 2)[0]);
    }

    private static @Nullable String property(String resource, String key) {
        try (InputStream stream = TorchLibraries.class.getClassLoader().getResourceAsStream(resource)) {
            if (stream == null) {
                return null;
            }
            Properties properties = new Properties();
            properties.load(stream);
            return properties.getProperty(key);
        } catch (IOException e) {
            throw new ConfigException(resource + " can't be read: " + e, e);
        }
    }
}
