package io.lychee.rerank.job;

import io.lychee.rerank.config.ConfigException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collection;

/**
 * Refuses output paths whose file is not regular, or is read by the same command. Compares paths by their files, so
 * that links, {@code ..}, letter case and mounts don't hide that two are one.
 */
public final class OutputFiles {

    private OutputFiles() {}

    /**
     * Resolves the folder of an output file, so that the file has one path however it is spelled.
     *
     * @param option names it in errors
     * @throws ConfigException when the file can't be replaced, or its folder is missing
     */
    public static Path resolve(String name, String option) throws IOException {
        Path file = Path.of(name).toAbsolutePath();
        requireReplaceable(file, option);
        Path folder = file.getParent();
        if (folder == null || !Files.isDirectory(folder) || !Files.isWritable(folder)) {
            throw new ConfigException("folder " + folder + " is not there or can't be written (" + option + ")");
        }
        return folder.toRealPath().resolve(file.getFileName());
    }

    /** Throws a {@link ConfigException} unless {@code file} is a regular file that may be written, or nothing yet. */
    public static void requireReplaceable(Path file, String option) {
        if (Files.isSymbolicLink(file)) {
            throw new ConfigException(file + " is a symbolic link; name the file itself (" + option + ")"
                    + ", whose lines can be read with cat when it is finished");
        }
        if (Files.isDirectory(file)) {
            throw new ConfigException(file + " is a folder; expected a file name (" + option + ")");
        }
        if (Files.exists(file) && !Files.isRegularFile(file)) {
            throw new ConfigException(file + " is a device, pipe or socket; expected a file (" + option + ")"
                    + ", whose lines can be read with cat when it is finished");
        }
        if (Files.exists(file) && !Files.isWritable(file)) {
            throw new ConfigException(
                    file + " is write-protected; expected a file that may be replaced (" + option + ")");
        }
    }

    /**
     * Checks a file that a command is about to write.
     *
     * @param inputs files that the same command reads
     * @throws ConfigException when it is one of them or {@link #requireReplaceable} refuses it
     */
    public static void check(Path file, Collection<Path> inputs, String option) {
        requireReplaceable(file.toAbsolutePath(), option);
        for (Path input : inputs) {
            if (covers(/* output= */ file, input)) {
                throw new ConfigException(input + " is an input; " + file + " would replace it (" + option + ")");
            }
        }
    }

    /** Tells whether {@code input} is {@code output}, or is below it. */
    static boolean covers(Path output, Path input) {
        try {
            if (Files.exists(output) && Files.exists(input)) {
                for (Path path = input.toRealPath(); path != null; path = path.getParent()) {
                    if (Files.isSameFile(path, output)) {
                        return true;
                    }
                }
            }
            return false;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
