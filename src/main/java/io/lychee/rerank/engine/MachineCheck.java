package io.lychee.rerank.engine;

import com.sun.management.UnixOperatingSystemMXBean;
import io.lychee.rerank.config.ConfigException;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;

/** Refuses a machine that lacks room for what libraries unpack and open, before one of them fails obscurely. */
public final class MachineCheck {

    /** Jars, sockets and a broker's segments, several times over. */
    static final long MIN_OPEN_FILES = 512;

    /** Flink unpacks 24 MB at each start. */
    static final long MIN_TEMPORARY_BYTES = 64L << 20;

    private static final String CACHE = "DJL_CACHE_DIR";

    private MachineCheck() {}

    /** @throws ConfigException naming the limit, when the process may open too few files */
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
     * What there is, for people.
     *
     * @throws ConfigException naming the limit or the folder that is not usable
     */
    public static String require() {
        requireOpenFiles();
        Path temporary = Path.of(System.getProperty("java.io.tmpdir"));
        Path cache = cache();
        requireRoom(temporary, MIN_TEMPORARY_BYTES);
        if (!isUnpacked(cache)) {
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
            throw new ConfigException(
                    "the temporary folder %s has %d MB free; expected %d MB (-Djava.io.tmpdir=DIR in LYCHEE_JAVA_OPTS names another)"
                            .formatted(temporary, free >> 20, bytes >> 20));
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

    /** Where DJL unpacks its libraries. */
    private static Path cache() {
        String set = System.getenv().getOrDefault(CACHE, System.getProperty(CACHE));
        Path home = Path.of(System.getProperty("user.home"));
        Path parent = Files.isWritable(home) ? home : Path.of(System.getProperty("java.io.tmpdir"));
        return set == null ? parent.resolve(".djl.ai") : Path.of(set);
    }

    /** A cache that was filled before may be read-only. */
    private static boolean isUnpacked(Path cache) {
        return !isEmpty(cache.resolve("pytorch")) && !isEmpty(cache.resolve("tokenizers"));
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
