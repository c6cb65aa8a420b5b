package io.lychee.rerank.engine;

import com.sun.management.UnixOperatingSystemMXBean;
import io.lychee.rerank.config.ConfigException;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;

/** Checks open files, the temporary folder and DJL's cache, because libraries fail there without a useful message. */
public final class MachineCheck {

    /** Suffices for jars, sockets and a broker's segments several times over. */
    private static final long MIN_OPEN_FILES = 512;

    /** Suffices for the 24 MB that Flink unpacks at each start. */
    private static final long MIN_TEMPORARY_BYTES = 64L << 20;

    private static final String CACHE = "DJL_CACHE_DIR";

    private MachineCheck() {}

    /** @throws ConfigException naming the limit when it is below 512 */
    public static void requireOpenFiles() {
        requireOpenFiles(openFiles());
    }

    static void requireOpenFiles(long limit) {
        if (limit < MIN_OPEN_FILES) {
            throw new ConfigException("this process may open %d files; expected at least %d (ulimit -Hn)"
                    .formatted(limit, MIN_OPEN_FILES));
        }
    }

    /**
     * Checks everything and describes it for people.
     *
     * @throws ConfigException naming the limit or the folder that is unusable
     */
    public static String require() {
        requireOpenFiles();
        Path temporary = Path.of(System.getProperty("java.io.tmpdir"));
        requireRoom(temporary, MIN_TEMPORARY_BYTES);
        // DJL unpacks its libraries there; a filled cache may be read-only
        Path home = Path.of(System.getProperty("user.home"));
        String cacheSetting = System.getenv().getOrDefault(CACHE, System.getProperty(CACHE));
        Path cache = cacheSetting != null
                ? Path.of(cacheSetting)
                : (Files.isWritable(home) ? home : temporary).resolve(".djl.ai");
        if (isEmpty(cache.resolve("pytorch")) || isEmpty(cache.resolve("tokenizers"))) {
            requireWritable(cache, "DJL unpacks its libraries there", CACHE);
        }
        return "%s open files, %s GB free in %s, libraries in %s"
                .formatted(
                        openFiles() == Long.MAX_VALUE ? "any number of" : String.valueOf(openFiles()),
                        MemoryCheck.gigabytes(temporary.toFile().getUsableSpace()),
                        temporary,
                        cache);
    }

    static void requireRoom(Path temporary, long bytes) {
        requireWritable(temporary, "the temporary folder", "java.io.tmpdir");
        long free = temporary.toFile().getUsableSpace();
        if (free < bytes) {
            throw new ConfigException("the temporary folder %s has %d MB free; expected %d MB"
                            .formatted(temporary, free >> 20, bytes >> 20)
                    + " (-Djava.io.tmpdir=DIR in LYCHEE_JAVA_OPTS names another)");
        }
    }

    static void requireWritable(Path folder, String use, String key) {
        try {
            Files.createDirectories(folder);
            Path probe = Files.createTempFile(folder, "lychee-probe", "");
            Files.write(probe, new byte[4096]);
            Files.delete(probe);
        } catch (IOException e) {
            throw new ConfigException(
                    "%s can't be written (%s): %s; expected a folder with room, which %s names"
                            .formatted(folder, use, e, key),
                    e);
        }
    }

    private static boolean isEmpty(Path folder) {
        try (Stream<Path> files = Files.list(folder)) {
            return files.findAny().isEmpty();
        } catch (IOException e) {
            return true;
        }
    }

    private static long openFiles() {
        return ManagementFactory.getOperatingSystemMXBean() instanceof UnixOperatingSystemMXBean system
                ? system.getMaxFileDescriptorCount()
                : Long.MAX_VALUE;
    }
}
